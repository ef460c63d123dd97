// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzers have in common. Each target is one file with a LLVMFuzzerTestOneInput; scripts/
// fuzz.mjs builds and runs them.
#pragma once

#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string_view>

#include "nl/socket.h"
#include "sys/unique_fd.h"

namespace snnet::fuzz {

// A promise of the code that the sanitizers know nothing of.
inline void Require(bool holds, const char* promise) {
  if (holds) return;
  static_cast<void>(fprintf(stderr, "broken promise: %s\n", promise));
  abort();
}

// Hands over each message of a datagram in memory of its own: what reads past its end is seen.
template <typename Visit>
void ForEachMessage(const uint8_t* data, size_t size, const Visit& visit) {
  while (size >= sizeof(nlmsghdr)) {
    nlmsghdr header;
    std::memcpy(&header, data, sizeof header);
    // As nlmsg_ok has it: whoever reads a datagram asks that first.
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > size) return;
    const std::unique_ptr<char[]> copy(new char[header.nlmsg_len]);
    std::memcpy(copy.get(), data, header.nlmsg_len);
    visit(reinterpret_cast<nlmsghdr*>(copy.get()));
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= size) return;
    data += step;
    size -= step;
  }
}

// A netlink socket whose other end is not the kernel: it says what it is told to, in datagrams that
// stand in `script` each after two bytes of length. What comes after the last is EAGAIN.
class FakeKernel {
 public:
  static std::optional<FakeKernel> Say(std::string_view script) {
    auto socket = nl::Socket::Open(NETLINK_ROUTE);
    std::array<int, 2> ends = {-1, -1};
    constexpr int kType = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
    if (!socket || socketpair(AF_UNIX, kType, 0, ends.data()) != 0) return std::nullopt;
    sys::UniqueFd ours(ends[0]);
    sys::UniqueFd theirs(ends[1]);
    if (dup2(ours.get(), socket->fd()) < 0) return std::nullopt;
    while (script.size() > 2) {
      const size_t claimed =
          static_cast<uint8_t>(script[0]) * 256U + static_cast<uint8_t>(script[1]);
      script.remove_prefix(2);
      const std::string_view datagram = script.substr(0, claimed);
      script.remove_prefix(datagram.size());
      // The kernel sends no empty ones.
      if (datagram.empty()) continue;
      if (send(theirs.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) break;
    }
    return FakeKernel(std::move(*socket), std::move(theirs));
  }

  nl::Socket& socket() { return socket_; }

 private:
  FakeKernel(nl::Socket socket, sys::UniqueFd theirs)
      : socket_(std::move(socket)), theirs_(std::move(theirs)) {}

  nl::Socket socket_;
  sys::UniqueFd theirs_;
};

}  // namespace snnet::fuzz
