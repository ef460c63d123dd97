// SPDX-License-Identifier: Apache-2.0
#include "cni/delegate.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "cni/io.h"
#include "cni/program.h"
#include "sys/json.h"

namespace snnet::cni {
namespace {

constexpr size_t kMostOutput = size_t{1} << 20;

bool IsProgram(const std::string& path) {
  struct stat found = {};
  return stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) &&
         access(path.c_str(), X_OK) == 0;
}

// Empty where there is none.
std::string FindInPath(const std::string& name) {
  const char* const variable = getenv("CNI_PATH");  // NOLINT(concurrency-mt-unsafe): one thread
  std::string_view rest = variable == nullptr ? "" : variable;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(':'), rest.size());
    std::string path = std::string(rest.substr(0, end)) + "/" + name;
    // An empty entry would be the root.
    if (end > 0 && IsProgram(path)) return path;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return {};
}

Failure Explain(const Request& request, const sys::Error& error) {
  const bool is_late = error.code == ETIMEDOUT;
  const std::string what = is_late ? " does not answer" : " cannot be run";
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  const std::string why = error.request + ": " + strerror(error.code);
  return {is_late ? Code::kTryAgain : Code::kDelegate, "the IPAM plugin " + request.ipam + what,
          why};
}

bool IsErrorResult(const std::string& output) {
  const auto document = sys::JsonDocument::Parse(output);
  return document && document->root().Find("code") != nullptr;
}

sys::Result<Answer> Run(const std::string& path, const Request& request, std::string_view command) {
  std::array<int, 2> ends = {-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return sys::LastError("pipe");
  const sys::UniqueFd reading(ends[0]);
  sys::UniqueFd writing(ends[1]);
  const auto input = Hold(request.input);
  if (!input) return input.error();
  const Deadline deadline(request.timeout);
  auto program = Program::Start({path}, command, (*input).get(), writing.get());
  if (!program) return program.error();
  writing.Reset();
  auto output = ReadToEnd(reading.get(), kMostOutput, deadline);
  if (!output) return output.error();
  const auto status = program->Await(deadline);
  if (!status) return status.error();
  return Answer{*status, std::move(*output)};
}

}  // namespace

std::variant<Answer, Failure> Delegate(const Request& request, std::string_view command) {
  const std::string path = FindInPath(request.ipam);
  if (path.empty()) {
    return Failure{Code::kConfig, "there is no IPAM plugin " + request.ipam + " in CNI_PATH"};
  }
  auto answer = Run(path, request, command);
  if (!answer) return Explain(request, answer.error());
  if (answer->status != 0 && !IsErrorResult(answer->text)) {
    const std::string status = std::to_string(answer->status);
    return Failure{Code::kDelegate, "the IPAM plugin " + request.ipam + " ended with " + status,
                   answer->text};
  }
  return std::move(*answer);
}

}  // namespace snnet::cni
