// SPDX-License-Identifier: Apache-2.0
#include "nl/dump.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <vector>

#include "nl/batch.h"

namespace snnet::nl {
namespace {

// The kernel fills at most 32 KiB for each recv of a dump (net/netlink/af_netlink.c).
constexpr size_t kPieceBytes = 64 * 1024;
constexpr int kAttempts = 20;

enum class Outcome { kComplete, kInterrupted };

sys::Result<Outcome> ReadOnce(Socket& socket, Message& message,
                              const std::function<void(nlmsghdr*)>& on_row) {
  nlmsghdr* request = message.header();
  request->nlmsg_flags |= NLM_F_DUMP;
  request->nlmsg_seq = socket.NextSequence();
  const uint32_t sequence = request->nlmsg_seq;
  while (send(socket.fd(), request, request->nlmsg_len, 0) < 0) {
    if (errno != EINTR) return sys::LastError(message.text());
  }
  std::vector<char> buffer(kPieceBytes);
  bool interrupted = false;
  for (;;) {
    const ssize_t received = recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      if (errno != ENOBUFS) return sys::LastError(message.text());
      // Something was lost. The rest of this dump has to be read all the same: until it has, the
      // kernel begins no other on this socket (EBUSY).
      interrupted = true;
      continue;
    }
    auto remaining = static_cast<int>(received);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, remaining);
         header = nlmsg_next(header, &remaining)) {
      if (header->nlmsg_seq != sequence) continue;
      if ((header->nlmsg_flags & NLM_F_DUMP_INTR) != 0) interrupted = true;
      if (header->nlmsg_type == NLMSG_DONE) {
        if (const int code = ReadCode(header)) return sys::Error{code, message.text()};
        return interrupted ? Outcome::kInterrupted : Outcome::kComplete;
      }
      if (header->nlmsg_type == NLMSG_ERROR) {
        const int code = ReadCode(header);
        // An acknowledgement is not what was asked for.
        return sys::Error{code != 0 ? code : EBADMSG, message.text()};
      }
      on_row(header);
    }
  }
}

}  // namespace

sys::Status Dump(Socket& socket, const std::function<Message()>& request,
                 const std::function<void()>& on_restart,
                 const std::function<void(nlmsghdr*)>& on_row) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    on_restart();
    Message message = request();
    auto outcome = ReadOnce(socket, message, on_row);
    if (!outcome) return outcome.error();
    if (*outcome == Outcome::kComplete) return sys::Ok();
  }
  return sys::Error{EINTR, request().text()};
}

sys::Status DumpOnce(Socket& socket, Message message,
                     const std::function<void(nlmsghdr*)>& on_row) {
  auto outcome = ReadOnce(socket, message, on_row);
  return outcome ? sys::Ok() : sys::Status(outcome.error());
}

}  // namespace snnet::nl
