// SPDX-License-Identifier: Apache-2.0
#include "exec/death_watch.h"

namespace snnet::exec {

void DeathWatch::Expect(uint32_t ifindex, const std::shared_ptr<Waiter>& waiter) {
  const std::lock_guard lock(mutex_);
  ++waiter->remaining;
  waiting_.emplace(ifindex, waiter);
}

void DeathWatch::Fail(const std::shared_ptr<Waiter>& waiter, const sys::Error& failure) {
  const std::lock_guard lock(mutex_);
  const bool is_late = waiter->is_answered;
  auto& recorded = is_late ? waiter->late_failure : waiter->result.failure;
  if (!recorded) recorded = failure;
}

void DeathWatch::Announce(uint32_t ifindex) {
  std::vector<std::pair<std::shared_ptr<Waiter>, DeletionResult>> complete;
  {
    const std::lock_guard lock(mutex_);
    const auto [first, last] = waiting_.equal_range(ifindex);
    for (auto it = first; it != last; ++it) {
      Waiter& waiter = *it->second;
      if (--waiter.remaining > 0 || waiter.is_answered) continue;
      waiter.is_answered = true;
      complete.emplace_back(it->second, waiter.result);
    }
    waiting_.erase(first, last);
  }
  for (const auto& [waiter, result] : complete) waiter->answer(result);
}

std::optional<sys::Error> DeathWatch::Finish(const std::shared_ptr<Waiter>& waiter) {
  {
    const std::lock_guard lock(mutex_);
    if (waiter->remaining > 0) {
      std::erase_if(waiting_, [&](const auto& entry) { return entry.second == waiter; });
    }
    if (waiter->is_answered) return waiter->late_failure;
    waiter->is_answered = true;
  }
  waiter->answer(waiter->result);
  return std::nullopt;
}

}  // namespace snnet::exec
