// SPDX-License-Identifier: Apache-2.0
#include "sys/unix_socket.h"

#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

#include "sys/unique_fd.h"

namespace snnet::sys {
namespace {

struct Address {
  sockaddr_un storage = {};
  socklen_t length = 0;
};

Result<Address> MakeAddress(const std::string& text) {
  Address address;
  address.storage.sun_family = AF_UNIX;
  const bool is_abstract = !text.empty() && text.front() == '@';
  // A path ends with a NUL, the name of an abstract socket with its last byte.
  const size_t needed = text.size() + (is_abstract ? 0 : 1);
  if (text.size() < 2 || (!is_abstract && text.front() != '/')) {
    return Error{EINVAL, "address of a unix socket"};
  }
  if (needed > sizeof address.storage.sun_path) {
    return Error{ENAMETOOLONG, "address of a unix socket"};
  }
  std::memcpy(address.storage.sun_path, text.data(), text.size());
  if (is_abstract) address.storage.sun_path[0] = '\0';
  address.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + needed);
  return address;
}

}  // namespace

Result<PeerCredentials> ReadPeerCredentials(int fd) {
  int domain = 0;
  socklen_t length = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) != 0) {
    return LastError("getsockopt SO_DOMAIN");
  }
  // Others answer with a user that is nobody.
  if (domain != AF_UNIX) return Error{EAFNOSUPPORT, "getsockopt SO_PEERCRED"};
  ucred peer = {};
  length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
    return LastError("getsockopt SO_PEERCRED");
  }
  // A socket that is not connected has no peer.
  if (peer.uid == static_cast<uid_t>(-1)) return Error{ENOTCONN, "getsockopt SO_PEERCRED"};
  return PeerCredentials{peer.pid, peer.uid, peer.gid};
}

Status SendToUnixSocket(const std::string& address, const std::string& text) {
  auto to = MakeAddress(address);
  if (!to) return to.error();
  UniqueFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return LastError("open a unix socket");
  const ssize_t sent = sendto(fd.get(), text.data(), text.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&to->storage), to->length);
  if (sent < 0) return LastError("send to " + address);
  return Ok();
}

Status LockFile(int fd) {
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) return LastError("flock");
  return Ok();
}

}  // namespace snnet::sys
