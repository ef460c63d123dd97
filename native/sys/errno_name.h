// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace snnet::sys {

// "EEXIST" for 17. A number without a name that we know comes out as "E17".
std::string ErrnoName(int code);

// The reverse; 0 for a name that we don't know.
int ErrnoValue(std::string_view name);

}  // namespace snnet::sys
