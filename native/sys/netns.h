// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sys/result.h"

namespace snnet::sys {

// Moves the calling thread, for the rest of its life, into a network namespace: a path, or a name
// under /run/netns. The empty string stays where it is.
Status EnterNetns(const std::string& netns);

// Moves the calling thread into a new, empty network namespace that dies with the thread.
Status EnterFreshNetns();

}  // namespace snnet::sys
