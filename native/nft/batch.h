// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <vector>

#include "nft/command.h"
#include "nft/writer.h"

namespace snnet::nft {

// Handles of rules, by the command that added them.
using Handles = std::map<size_t, uint64_t>;

// A transaction as the kernel takes it: NFNL_MSG_BATCH_BEGIN, the commands, NFNL_MSG_BATCH_END.
struct Batch {
  Writer writer;
  uint32_t begin = 0;
  // The command that each message after the first belongs to.
  std::vector<size_t> owners;
};

// `added`: what a DeleteRule that speaks of the command that added its rule stands for.
Batch BuildBatch(const std::vector<Command>& commands, const Handles& added,
                 const std::function<uint32_t()>& next_sequence);

}  // namespace snnet::nft
