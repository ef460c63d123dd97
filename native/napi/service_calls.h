// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

namespace snnet::napi {

// Functions that need no handle: of files and unix sockets, which a network namespace does not
// matter for. None of them waits. Each returns plain data, `{ error }` where the kernel refused.
void DefineServiceCalls(Napi::Env env, Napi::Object exports);

}  // namespace snnet::napi
