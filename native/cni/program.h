// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cni/io.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::cni {

// A program that runs for us; killed where it is forgotten before it ended.
class Program {
 public:
  // `input` and `output` become its standard input and output; its errors go where ours go.
  // `command` is its CNI_COMMAND, everything else of the environment is ours.
  static sys::Result<Program> Start(const std::vector<std::string>& words, std::string_view command,
                                    int input, int output);

  Program(Program&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Program& operator=(Program&&) = delete;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  // The status that it ended with, 128 + the signal's number where one ended it.
  sys::Result<int> Await(const Deadline& deadline);

 private:
  explicit Program(pid_t pid) : pid_(pid) {}

  pid_t pid_;
};

// A file without a name that holds these bytes, to be read from the beginning.
sys::Result<sys::UniqueFd> Hold(std::string_view bytes);

}  // namespace snnet::cni
