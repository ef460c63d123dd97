// SPDX-License-Identifier: Apache-2.0
//
// The process that does the work: the daemon behind its socket, or a program of our own for this
// one request. Both speak the same frames: four bytes of length (big endian), one byte that says
// what it is, and what belongs to it. lib/cni/frame.ts is the other side.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "cni/failure.h"
#include "cni/io.h"
#include "cni/program.h"
#include "cni/request.h"
#include "sys/unique_fd.h"

namespace snnet::cni {

// It wants to know first what the IPAM plugin gives.
struct WantsAddress {};

class Daemon {
 public:
  using Reply = std::variant<Answer, WantsAddress, Failure>;

  // Where nobody is there, that is a failure with code 11, or 50 for STATUS.
  static std::variant<Daemon, Failure> Reach(const Request& request);

  // The environment's CNI variables and the configuration.
  Reply Ask(const Request& request);
  // What the IPAM plugin gave.
  Reply TellAddress(const Request& request, std::string_view given);

 private:
  Daemon(sys::UniqueFd reading, sys::UniqueFd writing, std::optional<Program> program)
      : reading_(std::move(reading)), writing_(std::move(writing)), program_(std::move(program)) {}

  static std::variant<Daemon, Failure> Connect(const Request& request);
  static std::variant<Daemon, Failure> Run(const Request& request);
  Reply Exchange(const Request& request, char kind, std::string_view body);

  sys::UniqueFd reading_;
  // Nothing where both are one.
  sys::UniqueFd writing_;
  std::optional<Program> program_;
};

}  // namespace snnet::cni
