// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <vector>

#include "nft/rows.h"
#include "nl/socket.h"
#include "sys/result.h"

namespace snnet::nft {

struct TableState {
  TableRow table;
  std::vector<ChainRow> chains;
  std::vector<SetRow> sets;
  std::vector<RuleRow> rules;
  uint32_t generation = 0;
};

struct Overview {
  std::vector<TableRow> tables;
  std::vector<ChainRow> chains;
  uint32_t generation = 0;
};

// Counts the transactions of a namespace.
sys::Result<uint32_t> Generation(nl::Socket& socket);

// One table with all that is in it, as it was at one moment: what changes while it is read is read
// again. Nothing where there is no such table.
sys::Result<std::optional<TableState>> DumpTable(nl::Socket& socket, const TableName& name);

// The tables and chains of all families.
sys::Result<Overview> DumpOverview(nl::Socket& socket);

// The rules of one chain, in order; none where there is no such chain.
sys::Result<std::vector<RuleRow>> DumpRules(nl::Socket& socket, const TableName& name,
                                            const std::string& chain);

}  // namespace snnet::nft
