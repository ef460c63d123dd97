// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sys/result.h"

namespace snnet::sys {

// Both work on the namespace of the calling thread: the kernel resolves /proc/sys/net by the thread
// that opens the file (net/sysctl_net.c). `name` is a path below /proc/sys.
Result<std::string> ReadSysctl(const std::string& name);
Status WriteSysctl(const std::string& name, const std::string& value);

}  // namespace snnet::sys
