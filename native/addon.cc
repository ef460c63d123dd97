// SPDX-License-Identifier: Apache-2.0
#include <napi.h>

#include "napi/kernel_handle.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  exports.Set("KernelHandle", snnet::napi::KernelHandle::Define(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(snnet, Init)
