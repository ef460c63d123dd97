// SPDX-License-Identifier: Apache-2.0
#include "cni/request.h"

#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "cni/io.h"
#include "sys/json.h"

namespace snnet::cni {
namespace {

using sys::JsonValue;

constexpr size_t kMostInput = size_t{1} << 20;
constexpr double kLongestTimeout = 600'000;

std::optional<Failure> Refuse(std::string_view key, std::string_view wanted) {
  std::string message = "the network configuration's ";
  return Failure{Code::kConfig, message.append(key).append(" must be ").append(wanted)};
}

// The package's command line, where this program lies in the package: two directories up.
std::vector<std::string> CommandOfThisPackage() {
  std::array<char, 4096> path = {};
  const ssize_t length = readlink("/proc/self/exe", path.data(), path.size());
  if (length < 0) return {};
  std::string root(path.data(), static_cast<size_t>(length));
  for (int level = 0; level < 3; ++level) {
    const size_t slash = root.rfind('/');
    if (slash == std::string::npos) return {};
    root.resize(slash);
  }
  return {"/usr/bin/env", "node", root + "/dist/cli/main.js"};
}

std::optional<Failure> ReadProgram(const JsonValue& config, Request& to) {
  const JsonValue* const mode = config.Find("daemon");
  if (mode == nullptr) return std::nullopt;
  const bool is_word = mode->kind == JsonValue::Kind::kString;
  if (is_word && mode->text == "socket") return std::nullopt;
  if (!is_word || mode->text != "in-process")
    return Refuse("daemon", "\"socket\" or \"in-process\"");
  const JsonValue* const command = config.Find("snnetCommand");
  if (command == nullptr) {
    to.program = CommandOfThisPackage();
  } else {
    for (const JsonValue& word : command->items) to.program.emplace_back(word.text);
  }
  if (to.program.empty() || !to.program.front().starts_with('/')) {
    return Refuse("snnetCommand", "a list of words, the first an absolute path");
  }
  to.program.insert(to.program.end(), {"cni", "exec"});
  return std::nullopt;
}

std::optional<Failure> ReadSocketPath(const JsonValue& config, Request& to) {
  const JsonValue* const path = config.Find("daemonSocket");
  if (path == nullptr) return std::nullopt;
  const bool fits = path->text.size() < sizeof(sockaddr_un::sun_path);
  if (!path->text.starts_with('/') || !fits || path->text.find('\0') != std::string_view::npos) {
    return Refuse("daemonSocket", "an absolute path of at most 107 bytes");
  }
  to.socket_path = path->text;
  return std::nullopt;
}

std::optional<Failure> ReadTimeout(const JsonValue& config, Request& to) {
  const JsonValue* const timeout = config.Find("timeoutMs");
  if (timeout == nullptr) return std::nullopt;
  if (!(timeout->number >= 1 && timeout->number <= kLongestTimeout)) {
    return Refuse("timeoutMs", "a number of milliseconds from 1 to 600000");
  }
  to.timeout = std::chrono::milliseconds(static_cast<int64_t>(timeout->number));
  return std::nullopt;
}

std::optional<Failure> ReadIpam(const JsonValue& config, Request& to) {
  const JsonValue* const ipam = config.Find("ipam");
  const JsonValue* const type = ipam == nullptr ? nullptr : ipam->Find("type");
  if (type == nullptr) return std::nullopt;
  const std::string_view name = type->text;
  // A name and no path: what is not in CNI_PATH is not run.
  const bool is_path = name.find('/') != std::string_view::npos || name == "." || name == "..";
  if (name.empty() || is_path || name.find('\0') != std::string_view::npos) {
    return Refuse("ipam.type", "the name of a program in CNI_PATH");
  }
  to.ipam = name;
  return std::nullopt;
}

std::optional<Failure> ReadConfig(Request& to) {
  const auto document = sys::JsonDocument::Parse(to.input);
  if (!document || document->root().kind != JsonValue::Kind::kObject) {
    return Failure{Code::kDecode, "the network configuration is not a JSON object"};
  }
  const JsonValue& config = document->root();
  if (const JsonValue* const version = config.Find("cniVersion")) to.version = version->text;
  // Asked before all else: the runtime wants to know which version to write the rest in.
  if (to.command == "VERSION") return std::nullopt;
  if (!IsSupported(to.version)) {
    return Failure{Code::kVersion, "incompatible CNI version: \"" + to.version + "\"",
                   "supported are 0.3.0, 0.3.1, 0.4.0, 1.0.0 and 1.1.0"};
  }
  for (const auto read : {ReadProgram, ReadSocketPath, ReadTimeout, ReadIpam}) {
    if (auto failure = read(config, to)) return failure;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Failure> ReadRequest(Request& to) {
  // Nobody changes the environment: there is one thread.
  const char* const command = getenv("CNI_COMMAND");  // NOLINT(concurrency-mt-unsafe)
  to.command = command == nullptr ? "" : command;
  if (to.command.empty()) {
    return Failure{Code::kEnvironment,
                   "CNI_COMMAND is not set: a container runtime runs this program"};
  }
  auto input = ReadToEnd(STDIN_FILENO, kMostInput, Deadline(to.timeout));
  if (!input && input.error().code == EMSGSIZE) {
    return Failure{Code::kDecode, "the network configuration is longer than 1 MiB"};
  }
  if (!input) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    return Failure{Code::kIo, "standard input cannot be read", strerror(input.error().code)};
  }
  to.input = std::move(*input);
  if (to.command == "VERSION" && to.input.empty()) return std::nullopt;
  return ReadConfig(to);
}

}  // namespace snnet::cni
