// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::sys {

// Opens a network namespace: a path, or a name under /run/netns. EINVAL for anything else.
Result<UniqueFd> OpenNetns(const std::string& netns);

// Moves the calling thread, for the rest of its life, into a namespace that is open; `netns` is
// what an error calls it.
Status EnterOpenNetns(int fd, const std::string& netns);

// Moves the calling thread, for the rest of its life, into a network namespace: a path, or a name
// under /run/netns. The empty string stays where it is.
Status EnterNetns(const std::string& netns);

// Moves the calling thread into a new, empty network namespace that dies with the thread.
Status EnterFreshNetns();

}  // namespace snnet::sys
