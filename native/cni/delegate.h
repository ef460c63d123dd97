// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <variant>

#include "cni/failure.h"
#include "cni/request.h"

namespace snnet::cni {

// Has the configuration's IPAM plugin do its part of `command`: the program of that name in
// CNI_PATH, with our environment and the configuration as it came. A plugin that refuses has
// answered too: its words are the runtime's.
std::variant<Answer, Failure> Delegate(const Request& request, std::string_view command);

}  // namespace snnet::cni
