// SPDX-License-Identifier: Apache-2.0
//
// What a container runtime asks of `snnet-cni`: the first line is CNI_COMMAND, the rest comes from
// standard input. Whatever it is, the answer is JSON.
#include <sys/mman.h>

#include "cni/delegate.h"
#include "cni/failure.h"
#include "cni/request.h"
#include "input.h"
#include "sys/json.h"

namespace {

using namespace snnet;
using fuzz::Require;

void CheckAnswer(const cni::Answer& answer) {
  const auto document = sys::JsonDocument::Parse(answer.text);
  Require(document && document->root().Find("cniVersion") != nullptr, "every answer is JSON");
}

void CheckRequest(const cni::Request& request) {
  Require(request.socket_path.starts_with('/'), "a socket has an absolute path");
  Require(request.ipam.find('/') == std::string::npos, "an IPAM plugin has a name and no path");
  Require(request.timeout.count() >= 1, "there is time to answer");
  Require(request.program.empty() || request.program.front().starts_with('/'),
          "a program has an absolute path");
  if (request.ipam.empty()) return;
  // CNI_PATH is not set: it is looked for and not found.
  const auto given = cni::Delegate(request, "ADD");
  Require(std::holds_alternative<cni::Failure>(given), "nothing is run that is not in CNI_PATH");
  CheckAnswer(cni::Tell(std::get<cni::Failure>(given), request.version));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const int file = memfd_create("stdin", MFD_CLOEXEC);
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = input.find('\n');
  const std::string command(input.substr(0, end), 0, input.substr(0, end).find('\0'));
  const std::string_view config = end == std::string_view::npos ? "" : input.substr(end + 1);
  if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0) return 0;
  if (write(file, config.data(), config.size()) < 0 || lseek(file, 0, SEEK_SET) != 0) return 0;
  dup2(file, STDIN_FILENO);
  setenv("CNI_COMMAND", command.c_str(), 1);
  unsetenv("CNI_PATH");
  cni::Request request;
  if (const auto failure = cni::ReadRequest(request)) {
    CheckAnswer(cni::Tell(*failure, request.version));
  } else if (request.command == "VERSION") {
    CheckAnswer(cni::TellVersions(request.version));
  } else {
    CheckRequest(request);
  }
  return 0;
}
