// SPDX-License-Identifier: Apache-2.0
//
// What the runner must know of a step beside what it does.
#pragma once

#include <algorithm>
#include <cerrno>
#include <string>

#include "exec/step.h"

namespace snnet::exec {

inline bool IsDeletion(const PlanStep& step) {
  return std::holds_alternative<DeleteLinks>(step.step.action);
}
// Not done over rtnetlink: a call of its own, in the plan's order.
inline bool IsAlone(const Action& action) {
  return std::holds_alternative<SetSysctl>(action) || std::holds_alternative<Transaction>(action) ||
         std::holds_alternative<DeleteFlows>(action);
}

// What follows a step of this namespace in the same run of messages.
inline bool BelongsTogether(const PlanStep& step, const std::string& netns) {
  if (step.step.netns != netns || IsDeletion(step)) return false;
  return !netns.empty() || !IsAlone(step.step.action);
}

inline bool Tolerates(const Step& step, int code) {
  return std::find(step.tolerate.begin(), step.tolerate.end(), code) != step.tolerate.end();
}

// The inverse of something that somebody else undid already has nothing to do.
inline bool IsGone(int code) {
  return code == ENODEV || code == ENOENT || code == ESRCH || code == EADDRNOTAVAIL;
}

// What a refused message may have done all the same: RTM_SETLINK changes one thing after the other
// and stops at the first that fails, and so does a change of a tunnel. Who lacks the privilege
// doesn't get that far, nor a tunnel of a kind that can't be changed.
inline bool MayBeHalfDone(const Action& action, int code) {
  if (code == EPERM || code == ENODEV) return false;
  return std::holds_alternative<SetLink>(action) ||
         (std::holds_alternative<rtnl::TunnelChange>(action) && code != EOPNOTSUPP);
}

// The rest of a send goes on after a refusal, and may take away what a refused deletion left: with
// its last address a link loses its routes.
template <typename T>
inline bool IsRemovalOf(const Action& action) {
  const auto* change = std::get_if<Change<T>>(&action);
  return change != nullptr && !change->add;
}
inline bool IsRemoval(const Action& action) {
  return IsRemovalOf<rtnl::Address>(action) || IsRemovalOf<rtnl::Route>(action) ||
         IsRemovalOf<rtnl::Neighbour>(action) || IsRemovalOf<rtnl::Fdb>(action);
}

}  // namespace snnet::exec
