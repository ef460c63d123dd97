// SPDX-License-Identifier: Apache-2.0
//
// What a transaction is made of. Plain values: they cross from the JS thread to the executor's.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "nft/expression.h"

namespace snnet::nft {

struct TableName {
  // NFPROTO_*
  uint8_t family = 0;
  std::string name;
};

struct AddTable {
  uint32_t flags = 0;
};
// Changes the flags of a table that is there: how one that outlived its owner gets a new one.
struct SetTable {
  uint32_t flags = 0;
};
struct DeleteTable {};

struct BaseChain {
  std::string type;
  uint32_t hook = 0;
  int32_t priority = 0;
  std::optional<uint32_t> policy;
  std::string device;
};
struct AddChain {
  std::string chain;
  std::optional<BaseChain> base;
};
struct DeleteChain {
  std::string chain;
};
struct FlushChain {
  std::string chain;
};

// A type of `nft` that a key or a map's data is made of.
struct FieldType {
  uint32_t number = 0;
  uint32_t bytes = 0;
  bool is_host_order = false;
};
struct AddSet {
  std::string set;
  std::vector<FieldType> key;
  std::vector<FieldType> data;
  // A map to verdicts; `data` is empty then.
  bool has_verdicts = false;
  // NFT_SET_*, less what follows from the types.
  uint32_t flags = 0;
  // The most elements there may be; 0: as many as there is memory for.
  uint32_t size = 0;
};
struct DeleteSet {
  std::string set;
};

struct Elements {
  std::string set;
  // As the set has them. In what is packed each is padded to four bytes.
  uint32_t key_bytes = 0;
  uint32_t data_bytes = 0;
  // An inverse takes out what its step puts in: both have the same bytes.
  std::shared_ptr<const Bytes> shared;
  std::vector<Verdict> verdicts;

  std::span<const uint8_t> packed() const {
    return shared ? std::span<const uint8_t>(*shared) : std::span<const uint8_t>();
  }
};
struct AddElements : Elements {};
// Looks at keys alone.
struct DeleteElements : Elements {};

struct AddRule {
  std::string chain;
  std::vector<Expression> expressions;
  std::string comment;
  bool is_first = false;
};
struct DeleteRule {
  std::string chain;
  uint64_t handle = 0;
  // In an inverse: the rule that this command of the transaction to undo has added.
  std::optional<size_t> added_by;
};

using Action = std::variant<AddTable, SetTable, DeleteTable, AddChain, DeleteChain, FlushChain,
                            AddSet, DeleteSet, AddElements, DeleteElements, AddRule, DeleteRule>;

struct Command {
  TableName table;
  Action action;
};

// In the words of `nft`, with the count of long lists.
std::string Describe(const Command& command);

// A value takes whole registers.
constexpr size_t Padded(size_t bytes) { return (bytes + 3) & ~size_t{3}; }

// How many packed bytes one key and its data take.
inline size_t Stride(const Elements& elements) {
  return Padded(elements.key_bytes) + Padded(elements.data_bytes);
}
inline size_t CountOf(const Elements& elements) {
  const size_t stride = Stride(elements);
  return stride == 0 ? 0 : elements.packed().size() / stride;
}

}  // namespace snnet::nft
