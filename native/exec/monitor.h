// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "exec/death_watch.h"
#include "nl/socket.h"
#include "rtnl/link_row.h"
#include "sys/unique_fd.h"

namespace snnet::exec {

struct LinkEvent {
  // kResync: notifications were lost; who follows must read everything again.
  enum class Kind { kChanged, kGone, kResync };
  Kind kind = Kind::kResync;
  rtnl::LinkRow row;
};

// Follows the kernel's link notifications on a thread of its own: tells the DeathWatch of every
// link that went and, while somebody watches, passes on what it hears in batches.
class Monitor {
 public:
  using OnEvents = std::function<void(std::vector<LinkEvent>)>;

  Monitor(DeathWatch& watch, OnEvents on_events)
      : watch_(watch), on_events_(std::move(on_events)) {}
  ~Monitor() { Stop(); }
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;

  // Opens its socket in the namespace of the calling thread.
  sys::Status Start();
  // What to pass on. For less than kAll the kernel filters all but deletions.
  enum class Interest { kNone, kDeletions, kAll };
  // Any thread.
  sys::Status SetInterest(Interest interest);
  void Stop();

 private:
  void Loop();
  bool Receive(std::vector<char>& buffer, std::vector<LinkEvent>& events);

  DeathWatch& watch_;
  OnEvents on_events_;
  std::optional<nl::Socket> socket_;
  sys::UniqueFd stop_;
  std::atomic<Interest> interest_ = Interest::kNone;
  std::thread thread_;
};

}  // namespace snnet::exec
