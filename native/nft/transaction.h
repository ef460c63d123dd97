// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "nft/batch.h"
#include "nft/command.h"
#include "nl/socket.h"
#include "sys/result.h"

namespace snnet::nft {

struct Committed {
  // Why it was not done; the error names the command that was refused first.
  std::optional<sys::Error> failure;
  // Its answer was lost: it was done as a whole, or nothing of it.
  bool is_unknown = false;
  // Of the rules that were added.
  Handles handles;
};

// Sends the commands as one transaction: all are done, or none. Tables with the flag `owner` belong
// to this socket.
Committed Commit(nl::Socket& socket, const std::vector<Command>& commands,
                 const Handles& added = {});

}  // namespace snnet::nft
