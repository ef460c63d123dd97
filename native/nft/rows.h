// SPDX-License-Identifier: Apache-2.0
//
// What nf_tables answers.
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "nft/command.h"

namespace snnet::nft {

struct TableRow {
  TableName table;
  uint32_t flags = 0;
  uint64_t handle = 0;
  // The port of the socket that owns it; 0 where nobody does.
  uint32_t owner = 0;
};

struct ChainRow {
  TableName table;
  std::string name;
  uint64_t handle = 0;
  std::optional<BaseChain> base;
};

struct RuleRow {
  TableName table;
  std::string chain;
  uint64_t handle = 0;
  std::string comment;
  std::vector<Expression> expressions;
};

struct SetRow {
  TableName table;
  std::string name;
  uint64_t handle = 0;
  uint32_t flags = 0;
  // nft's numbers, six bits each.
  uint32_t key_type = 0;
  uint32_t data_type = 0;
  uint32_t key_bytes = 0;
  uint32_t data_bytes = 0;
  // The most elements there may be; 0: nobody said.
  uint32_t size = 0;
  // As in `Elements`.
  Bytes packed;
  std::vector<Verdict> verdicts;

  bool HasVerdicts() const;
};

// What a message of a dump or of a notification says; nothing where it says something else.
std::optional<TableRow> ReadTable(nlmsghdr* header);
std::optional<ChainRow> ReadChain(nlmsghdr* header);
std::optional<RuleRow> ReadRule(nlmsghdr* header);
std::optional<SetRow> ReadSet(nlmsghdr* header);
std::optional<uint32_t> ReadGeneration(nlmsghdr* header);

// Appends the elements of a message to those of their set.
void ReadElements(nlmsghdr* header, SetRow& set);

// One member of NFTA_RULE_EXPRESSIONS.
Expression ReadExpression(const nlattr* member);

}  // namespace snnet::nft
