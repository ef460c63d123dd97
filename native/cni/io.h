// SPDX-License-Identifier: Apache-2.0
//
// Reading and writing with an end: whoever is at the other side, this process never hangs.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "sys/result.h"

namespace snnet::cni {

class Deadline {
 public:
  explicit Deadline(std::chrono::milliseconds from_now)
      : end_(std::chrono::steady_clock::now() + from_now) {}

  // 0 where it is over; what poll takes.
  int Remaining() const;

 private:
  std::chrono::steady_clock::time_point end_;
};

// Each gives ETIMEDOUT where the deadline came first.
sys::Status AwaitReadable(int fd, const Deadline& deadline);

// All that comes; EMSGSIZE where that is more than `most` bytes.
sys::Result<std::string> ReadToEnd(int fd, size_t most, const Deadline& deadline);

// That many bytes; ECONNRESET where the stream ends before.
sys::Result<std::string> ReadExactly(int fd, size_t count, const Deadline& deadline);

// The descriptor may be blocking only where it is known to take everything.
sys::Status WriteAll(int fd, std::string_view bytes, const Deadline& deadline);

}  // namespace snnet::cni
