// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>

namespace snnet::exec {

// When somebody last had something to do that others should not get in the way of. Any thread.
class QuietTime {
 public:
  using Clock = std::chrono::steady_clock;

  void Disturb() { last_ = Clock::now().time_since_epoch(); }
  // From Enter() to Leave() it is not quiet.
  void Enter() { ++inside_; }
  void Leave() {
    Disturb();
    --inside_;
  }
  Clock::time_point Since() const {
    return inside_ > 0 ? Clock::now() : Clock::time_point(last_.load());
  }

 private:
  std::atomic<int> inside_ = 0;
  std::atomic<Clock::duration> last_ = Clock::duration::zero();
};

}  // namespace snnet::exec
