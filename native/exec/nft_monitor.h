// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "exec/netfilter.h"
#include "nl/socket.h"
#include "sys/unique_fd.h"

namespace snnet::exec {

// What a transaction did to one table.
struct NftEvent {
  // kResync: notifications were lost; who follows must read everything again.
  enum class Kind { kChanged, kGone, kResync };
  Kind kind = Kind::kResync;
  uint8_t family = 0;
  std::string table = {};
  uint32_t generation = 0;
  // The thread that did it, and what it calls itself.
  uint32_t pid = 0;
  std::string program = {};
  // It came by the socket of this handle's own transactions.
  bool is_own = false;
};

// Follows the notifications of nf_tables, one event for each table that a transaction touched. Its
// thread starts with the first Watch(true).
class NftMonitor {
 public:
  using OnEvents = std::function<void(std::vector<NftEvent>)>;

  NftMonitor(const Netfilter& netfilter, OnEvents on_events)
      : netfilter_(netfilter), on_events_(std::move(on_events)) {}
  ~NftMonitor() { Stop(); }
  NftMonitor(const NftMonitor&) = delete;
  NftMonitor& operator=(const NftMonitor&) = delete;

  // On a thread of the namespace.
  sys::Status Watch(bool on);
  void Stop();

 private:
  sys::Status Start();
  void Loop();
  bool Receive(std::vector<char>& buffer, std::vector<NftEvent>& events);
  void Take(nlmsghdr* header, std::vector<NftEvent>& events);

  const Netfilter& netfilter_;
  OnEvents on_events_;
  std::optional<nl::Socket> socket_;
  sys::UniqueFd stop_;
  std::atomic<bool> is_on_ = false;
  // Of the transaction whose end has not been heard yet.
  std::map<std::pair<uint8_t, std::string>, NftEvent> touched_;
  std::thread thread_;
};

}  // namespace snnet::exec
