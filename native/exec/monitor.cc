// SPDX-License-Identifier: Apache-2.0
#include "exec/monitor.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cstddef>

#include "exec/worker.h"
#include "nl/batch.h"

namespace snnet::exec {
namespace {

// Passes RTM_DELLINK alone. Classic BPF loads in network order, nlmsg_type stands in host order.
sys::Status FilterDeletions(int fd) {
  std::array<sock_filter, 4> code = {{
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(nlmsghdr, nlmsg_type)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog program{code.size(), code.data()};
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) != 0) {
    return sys::LastError("filter link notifications");
  }
  return sys::Ok();
}

}  // namespace

sys::Status Monitor::Start() {
  auto socket = nl::Socket::Open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  socket->SetReceiveBuffer(nl::kAnnouncementBuffer);
  if (auto filtered = FilterDeletions(socket->fd()); !filtered) return filtered.error();
  if (auto joined = socket->JoinGroup(RTNLGRP_LINK); !joined) return joined.error();
  stop_.Reset(eventfd(0, EFD_CLOEXEC));
  if (!stop_) return sys::LastError("eventfd");
  socket_.emplace(std::move(*socket));
  return StartThread(thread_, [this] { Loop(); });
}

sys::Status Monitor::SetInterest(Interest interest) {
  interest_ = interest;
  if (interest != Interest::kAll) return FilterDeletions(socket_->fd());
  const int unused = 0;
  if (setsockopt(socket_->fd(), SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0 &&
      errno != ENOENT) {
    return sys::LastError("watch link notifications");
  }
  return sys::Ok();
}

void Monitor::Stop() {
  if (!thread_.joinable()) return;
  eventfd_write(stop_.get(), 1);
  thread_.join();
}

void Monitor::Loop() {
  PrepareThread("snnet-monitor");
  std::vector<char> buffer(1 << 16);
  std::array<pollfd, 2> wait = {{{socket_->fd(), POLLIN, 0}, {stop_.get(), POLLIN, 0}}};
  for (;;) {
    if (poll(wait.data(), wait.size(), -1) < 0 && errno != EINTR) return;
    if (wait[1].revents != 0) return;
    std::vector<LinkEvent> events;
    // A bounded batch, so that a storm neither starves the readers nor grows without end.
    constexpr size_t kBatch = 1024;
    while (events.size() < kBatch && Receive(buffer, events)) {
    }
    if (!events.empty()) on_events_(std::move(events));
  }
}

// One datagram; false when there is none waiting.
bool Monitor::Receive(std::vector<char>& buffer, std::vector<LinkEvent>& events) {
  const ssize_t received = recv(socket_->fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (received < 0) {
    if (errno == EINTR) return true;
    if (errno != ENOBUFS) return false;
    // Deletions lost here are answered when their sender returns.
    if (interest_ != Interest::kNone) events.push_back({LinkEvent::Kind::kResync, {}});
    return true;
  }
  auto remaining = static_cast<int>(received);
  for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, remaining);
       header = nlmsg_next(header, &remaining)) {
    const bool is_gone = header->nlmsg_type == RTM_DELLINK;
    if (!is_gone && header->nlmsg_type != RTM_NEWLINK) continue;
    if (is_gone) {
      if (const uint32_t ifindex = rtnl::ReadLinkIndex(header)) watch_.Announce(ifindex);
    }
    const Interest interest = interest_;
    if (interest == Interest::kNone || (interest == Interest::kDeletions && !is_gone)) continue;
    if (auto row = rtnl::ReadLink(header)) {
      events.push_back({is_gone ? LinkEvent::Kind::kGone : LinkEvent::Kind::kChanged, *row});
    }
  }
  return true;
}

}  // namespace snnet::exec
