// SPDX-License-Identifier: Apache-2.0
#include "cni/io.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

namespace snnet::cni {
namespace {

constexpr size_t kPart = size_t{64} * 1024;

sys::Status Await(int fd, int16_t events, const Deadline& deadline) {
  for (;;) {
    pollfd waiting = {fd, events, 0};
    const int ready = poll(&waiting, 1, deadline.Remaining());
    if (ready > 0) return sys::Ok();
    if (ready == 0) return sys::Error{ETIMEDOUT, "wait for the other side"};
    if (errno != EINTR) return sys::LastError("poll");
  }
}

bool IsPassing(int code) { return code == EINTR || code == EAGAIN; }

// Appends what is there to be read, at most `most` bytes; the number, 0 at the end.
sys::Result<size_t> ReadSome(int fd, size_t most, std::string& to, const Deadline& deadline) {
  for (;;) {
    if (auto ready = AwaitReadable(fd, deadline); !ready) return ready.error();
    const size_t before = to.size();
    to.resize(before + most);
    const ssize_t count = read(fd, to.data() + before, most);
    const int code = errno;
    to.resize(before + static_cast<size_t>(std::max<ssize_t>(count, 0)));
    if (count >= 0) return static_cast<size_t>(count);
    if (!IsPassing(code)) return sys::Error{code, "read"};
  }
}

}  // namespace

int Deadline::Remaining() const {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      end_ - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<std::chrono::milliseconds::rep>(left.count(), 0));
}

sys::Status AwaitReadable(int fd, const Deadline& deadline) { return Await(fd, POLLIN, deadline); }

sys::Result<std::string> ReadToEnd(int fd, size_t most, const Deadline& deadline) {
  std::string text;
  for (;;) {
    // One more than allowed, to tell "just as much" from "too much".
    const size_t room = std::min(kPart, most + 1 - text.size());
    auto count = ReadSome(fd, room, text, deadline);
    if (!count) return count.error();
    if (*count == 0) return text;
    if (text.size() > most) return sys::Error{EMSGSIZE, "read"};
  }
}

sys::Result<std::string> ReadExactly(int fd, size_t count, const Deadline& deadline) {
  std::string bytes;
  while (bytes.size() < count) {
    auto more = ReadSome(fd, count - bytes.size(), bytes, deadline);
    if (!more) return more.error();
    if (*more == 0) return sys::Error{ECONNRESET, "read"};
  }
  return bytes;
}

sys::Status WriteAll(int fd, std::string_view bytes, const Deadline& deadline) {
  while (!bytes.empty()) {
    if (auto ready = Await(fd, POLLOUT, deadline); !ready) return ready;
    const ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count >= 0) {
      bytes.remove_prefix(static_cast<size_t>(count));
    } else if (!IsPassing(errno)) {
      return sys::LastError("write");
    }
  }
  return sys::Ok();
}

}  // namespace snnet::cni
