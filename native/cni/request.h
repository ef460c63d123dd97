// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cni/failure.h"

namespace snnet::cni {

// What the runtime asks, as far as the front has to know. Everything else is the daemon's business.
struct Request {
  std::string command;
  // Of the configuration; empty where it says none.
  std::string version;
  // The configuration, byte for byte.
  std::string input;
  // The program that gives out addresses; empty where there is none.
  std::string ipam;
  std::string socket_path = "/run/snnet/cni.sock";
  // What to run instead of asking the daemon; empty where the daemon is to be asked.
  std::vector<std::string> program = {};
  std::chrono::milliseconds timeout = std::chrono::seconds(30);
};

// Fills `to` from the environment and standard input. What is known of it stays in `to` on failure.
std::optional<Failure> ReadRequest(Request& to);

}  // namespace snnet::cni
