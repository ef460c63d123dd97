// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "sys/result.h"

namespace snnet::exec {

struct DeletionResult {
  std::optional<sys::Error> failure;
  // The failure is that a link is no longer ours.
  bool is_foreign = false;
  // Links that were gone already.
  std::vector<uint32_t> absent;
};

// Who waits for links to go. A caller is answered once: when the kernel has announced all its links
// gone, or when the deletion returned, whichever is first. Any thread may call anything here; the
// answer is given on the calling thread. From Expect() on, a waiter is touched under the lock only.
class DeathWatch {
 public:
  struct Waiter {
    size_t remaining = 0;
    bool is_answered = false;
    DeletionResult result;
    // What failed when the answer had been given.
    std::optional<sys::Error> late_failure;
    std::function<void(const DeletionResult&)> answer;
  };

  void Expect(uint32_t ifindex, const std::shared_ptr<Waiter>& waiter);
  void Announce(uint32_t ifindex);
  void Fail(const std::shared_ptr<Waiter>& waiter, const sys::Error& failure);
  // Answers now who has no answer yet. Returns what failed too late for the answer.
  std::optional<sys::Error> Finish(const std::shared_ptr<Waiter>& waiter);

 private:
  std::mutex mutex_;
  std::unordered_multimap<uint32_t, std::shared_ptr<Waiter>> waiting_;
};

}  // namespace snnet::exec
