// SPDX-License-Identifier: Apache-2.0
#include "exec/nft_monitor.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>

#include "exec/worker.h"
#include "nft/attributes.h"
#include "nl/batch.h"

namespace snnet::exec {
namespace {

// In every kind of message but the generation's the first attribute names the table
// (NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, NFTA_SET_ELEM_LIST_TABLE, …).
constexpr int kTable = 1;

}  // namespace

sys::Status NftMonitor::Start() {
  auto socket = nl::Socket::Open(NETLINK_NETFILTER);
  if (!socket) return socket.error();
  socket->SetReceiveBuffer(nl::kAnnouncementBuffer);
  if (auto joined = socket->JoinGroup(NFNLGRP_NFTABLES); !joined) return joined.error();
  stop_.Reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_) return sys::LastError("eventfd");
  socket_.emplace(std::move(*socket));
  return StartThread(thread_, [this] { Loop(); });
}

sys::Status NftMonitor::Watch(bool on) {
  is_on_ = on;
  if (!on || thread_.joinable()) return sys::Ok();
  return Start();
}

void NftMonitor::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void NftMonitor::Loop() {
  PrepareThread("snnet-nft");
  std::vector<char> buffer(1 << 16);
  std::array<pollfd, 2> wait = {{{socket_->fd(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
    if (wait[1].revents != 0) return;
    std::vector<NftEvent> events;
    // A bounded batch, so that a storm neither starves the readers nor grows without end.
    constexpr size_t kBatch = 1024;
    while (events.size() < kBatch && Receive(buffer, events)) {
    }
    if (!events.empty() && is_on_) on_events_(std::move(events));
  }
}

// One datagram; false when there is none waiting.
bool NftMonitor::Receive(std::vector<char>& buffer, std::vector<NftEvent>& events) {
  const ssize_t received = recv(socket_->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received < 0) {
    if (errno == EINTR) return true;
    if (errno != ENOBUFS) return false;
    touched_.clear();
    events.push_back({});
    return true;
  }
  auto remaining = static_cast<int>(received);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, remaining);
       header = nlmsg_next(header, &remaining)) {
    if (header->nlmsg_type >> 8 == NFNL_SUBSYS_NFTABLES) Take(header, events);
  }
  return true;
}

void NftMonitor::Take(nlmsghdr* header, std::vector<NftEvent>& events) {
  const int message = header->nlmsg_type & 0xff;
  if (message != NFT_MSG_NEWGEN) {
    const nft::Attributes<kTable> from(header);
    const std::pair key(nft::FamilyOf(header), from.Text(kTable));
    NftEvent& event = touched_[key];
    event.kind = message == NFT_MSG_DELTABLE ? NftEvent::Kind::kGone : NftEvent::Kind::kChanged;
    event.is_own = header->nlmsg_pid != 0 && header->nlmsg_pid == netfilter_.port();
    return;
  }
  // The last of a transaction's messages.
  const nft::Attributes<NFTA_GEN_MAX> from(header);
  for (auto& [key, event] : touched_) {
    event.family = key.first;
    event.table = key.second;
    event.generation = from.U32(NFTA_GEN_ID);
    event.pid = from.U32(NFTA_GEN_PROC_PID);
    event.program = from.Text(NFTA_GEN_PROC_NAME);
    events.push_back(std::move(event));
  }
  touched_.clear();
}

}  // namespace snnet::exec
