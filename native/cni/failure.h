// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace snnet::cni {

// The codes of the CNI specification that the front itself can give; from 100 on they are ours.
enum class Code {
  kVersion = 1,
  kEnvironment = 4,
  kIo = 5,
  kDecode = 6,
  kConfig = 7,
  kTryAgain = 11,
  kUnavailable = 50,
  kDelegate = 107,
};

// Why a command failed, for the runtime.
struct Failure {
  Code code = Code::kIo;
  std::string message;
  std::string details = {};
};

// What goes to standard output, and the status that the process ends with.
struct Answer {
  int status = 0;
  std::string text;
};

// The newest version of the specification that is spoken.
inline constexpr std::string_view kNewestVersion = "1.1.0";

// Whether the specification has such a version and we speak it.
bool IsSupported(std::string_view version);

// As JSON; `version` is the configuration's.
Answer Tell(const Failure& failure, std::string_view version);

// What VERSION answers.
Answer TellVersions(std::string_view version);

}  // namespace snnet::cni
