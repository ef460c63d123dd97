// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "exec/step.h"
#include "nl/message.h"

namespace snnet::exec {

// The rtnetlink messages that carry out a step. None for what is not done over rtnetlink alone
// (a tap's ioctls, sysctls, netfilter) and for deletions, which have a thread of their own.
std::vector<nl::Message> MessagesFor(const Step& step);

}  // namespace snnet::exec
