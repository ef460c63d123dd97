// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>

#include "sys/result.h"

namespace snnet::sys {

// Who opened the other end of a connection, as the kernel noted it then.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};

// Of anything but a connected unix socket: an error.
Result<PeerCredentials> ReadPeerCredentials(int fd);

// Sends one datagram to a unix socket: a path, or a name after an `@` (an abstract socket). Never
// waits: where the receiver's queue is full, the error is EAGAIN.
Status SendToUnixSocket(const std::string& address, const std::string& text);

// Takes the lock of an open file or directory, which goes with the descriptor; never waits: where
// another has it, the error is EAGAIN.
Status LockFile(int fd);

}  // namespace snnet::sys
