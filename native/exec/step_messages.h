// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "exec/other_namespaces.h"
#include "exec/step.h"
#include "nl/message.h"

namespace snnet::exec {

// The rtnetlink messages that carry out a step. None for what is not done over rtnetlink alone
// (a tap's ioctls, sysctls, netfilter) and for deletions, which have a thread of their own.
// What reaches into other namespaces has them open in `others`.
std::vector<nl::Message> MessagesFor(const Step& step, const OtherNamespaces& others);

// Apart from the rest of a tap's messages: it comes when the tap's queues are closed.
nl::Message RaiseTap(const CreateTap& tap);

}  // namespace snnet::exec
