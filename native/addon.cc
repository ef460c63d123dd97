// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include "napi/kernel_handle.h"
#include "napi/service_calls.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("KernelHandle", snnet::napi::KernelHandle::Define(env));
  snnet::napi::DefineServiceCalls(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(snnet, Init)
