// SPDX-License-Identifier: Apache-2.0
//
// `snnet-cni`: what container runtimes run. It starts in a millisecond, hands the request to the
// daemon that has everything open already, and prints the answer. Addresses of an IPAM plugin are
// its business: it has the runtime's environment, and the daemon needs no right to start programs.
#include <signal.h>
#include <unistd.h>

#include "cni/daemon.h"
#include "cni/delegate.h"
#include "cni/failure.h"
#include "cni/io.h"
#include "cni/request.h"

namespace snnet::cni {
namespace {

Answer ToAnswer(const Request& request, std::variant<Answer, Failure> outcome) {
  if (const auto* const failure = std::get_if<Failure>(&outcome)) {
    return Tell(*failure, request.version);
  }
  return std::move(std::get<Answer>(outcome));
}

Answer ToAnswer(const Request& request, Daemon::Reply reply) {
  if (auto* const answer = std::get_if<Answer>(&reply)) return std::move(*answer);
  if (const auto* const failure = std::get_if<Failure>(&reply)) {
    return Tell(*failure, request.version);
  }
  return Tell(
      {Code::kDelegate, "the snnet daemon wants an address twice, or without an IPAM plugin"},
      request.version);
}

// The daemon looks at everything else first: nothing is given out for a request that it refuses.
Answer Add(const Request& request, Daemon& daemon) {
  Daemon::Reply reply = daemon.Ask(request);
  if (request.ipam.empty() || !std::holds_alternative<WantsAddress>(reply)) {
    return ToAnswer(request, std::move(reply));
  }
  Answer given = ToAnswer(request, Delegate(request, "ADD"));
  if (given.status != 0) return given;
  Answer added = ToAnswer(request, daemon.TellAddress(request, given.text));
  // Whether that works does not change what failed.
  if (added.status != 0) static_cast<void>(Delegate(request, "DEL"));
  return added;
}

Answer Run(const Request& request) {
  auto reached = Daemon::Reach(request);
  if (const auto* const failure = std::get_if<Failure>(&reached)) {
    return Tell(*failure, request.version);
  }
  Daemon& daemon = std::get<Daemon>(reached);
  if (request.command == "ADD") return Add(request, daemon);
  Answer answer = ToAnswer(request, daemon.Ask(request));
  // An address is given back when nobody has it any more.
  if (answer.status != 0 || request.ipam.empty()) return answer;
  Answer delegated = ToAnswer(request, Delegate(request, request.command));
  // What it says to a success is no result of ours.
  return delegated.status == 0 ? answer : delegated;
}

Answer Serve() {
  Request request;
  if (const auto failure = ReadRequest(request)) return Tell(*failure, request.version);
  return request.command == "VERSION" ? TellVersions(request.version) : Run(request);
}

}  // namespace
}  // namespace snnet::cni

int main() {  // NOLINT(bugprone-exception-escape): compiled without exceptions
  // A daemon or a runtime that went away is an error of writing, not our end.
  signal(SIGPIPE, SIG_IGN);  // NOLINT(cert-err33-c)
  const snnet::cni::Answer answer = snnet::cni::Serve();
  const auto written = snnet::cni::WriteAll(STDOUT_FILENO, answer.text,
                                            snnet::cni::Deadline(std::chrono::seconds(10)));
  return written ? answer.status : 1;
}
