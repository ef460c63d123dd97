// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netlink/socket.h>

#include <cstdint>
#include <memory>

#include "sys/result.h"

namespace snnet::nl {

// A netlink socket in the namespace of the thread that opened it; it stays there whichever thread
// uses it later.
class Socket {
 public:
  static sys::Result<Socket> Open(int protocol);

  int fd() const { return nl_socket_get_fd(socket_.get()); }
  // The number under which the kernel knows it.
  uint32_t port() const { return nl_socket_get_local_port(socket_.get()); }
  uint32_t NextSequence() { return ++sequence_; }
  sys::Status JoinGroup(int group);
  // Asks for more than the system-wide limit where privileges allow, else for the limit.
  void SetReceiveBuffer(int bytes);
  void SetSendBuffer(int bytes);

 private:
  struct Free {
    void operator()(nl_sock* socket) const noexcept { nl_socket_free(socket); }
  };
  explicit Socket(std::unique_ptr<nl_sock, Free> socket) : socket_(std::move(socket)) {}

  std::unique_ptr<nl_sock, Free> socket_;
  uint32_t sequence_ = 0;
};

}  // namespace snnet::nl
