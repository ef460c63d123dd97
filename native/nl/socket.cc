// SPDX-License-Identifier: Apache-2.0
#include "nl/socket.h"

#include <fcntl.h>
#include <linux/netlink.h>
#include <netlink/netlink.h>
#include <sys/socket.h>

#include <new>

namespace snnet::nl {
namespace {

// The kernel's default (net.core.wmem_default).
constexpr int kSendBuffer = 212992;

void Enable(int fd, int option) {
  // Every kernel that we support has these (>= 4.20); one that has not just answers less.
  const int on = 1;
  setsockopt(fd, SOL_NETLINK, option, &on, sizeof on);
}

void SetBuffer(int fd, int forced, int polite, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0) {
    setsockopt(fd, SOL_SOCKET, polite, &bytes, sizeof bytes);
  }
}

}  // namespace

sys::Result<Socket> Socket::Open(int protocol) {
  std::unique_ptr<nl_sock, Free> socket(nl_socket_alloc());
  if (!socket) throw std::bad_alloc();
  errno = 0;
  // libnl's own error numbers hide the errno; the kernel's is what a reader wants.
  if (nl_connect(socket.get(), protocol) != 0) {
    return sys::Error{errno != 0 ? errno : EPROTONOSUPPORT, "open netlink socket"};
  }
  const int fd = nl_socket_get_fd(socket.get());
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  // libnl has asked for 32 KiB (nl_socket_set_buffer_size), less than a batch may take.
  SetBuffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, kSendBuffer);
  Enable(fd, NETLINK_EXT_ACK);
  Enable(fd, NETLINK_CAP_ACK);
  Enable(fd, NETLINK_GET_STRICT_CHK);
  return Socket(std::move(socket));
}

sys::Status Socket::JoinGroup(int group) {
  if (nl_socket_add_membership(socket_.get(), group) != 0) {
    return sys::LastError("join netlink group " + std::to_string(group));
  }
  return sys::Ok();
}

void Socket::SetReceiveBuffer(int bytes) { SetBuffer(fd(), SO_RCVBUFFORCE, SO_RCVBUF, bytes); }

void Socket::SetSendBuffer(int bytes) { SetBuffer(fd(), SO_SNDBUFFORCE, SO_SNDBUF, bytes); }

}  // namespace snnet::nl
