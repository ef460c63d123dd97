// SPDX-License-Identifier: Apache-2.0
#include "nft/rows.h"

#include <linux/netfilter/nf_tables.h>

#include <algorithm>

#include "nft/attributes.h"
#include "nft/user_data.h"

namespace snnet::nft {
namespace {

// Of a key or its data, as the kernel has it: what claims more would only take memory.
constexpr uint32_t kMaxBytes = NFT_DATA_VALUE_MAXLEN;

bool IsOf(const nlmsghdr* header, int message) {
  return header->nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | message);
}

BaseChain ReadBase(const nlattr* nest) {
  const Attributes<NFTA_HOOK_MAX> hook(nest);
  BaseChain base;
  base.hook = hook.U32(NFTA_HOOK_HOOKNUM);
  base.priority = static_cast<int32_t>(hook.U32(NFTA_HOOK_PRIORITY));
  base.device = hook.Text(NFTA_HOOK_DEV);
  return base;
}

// Appends a value of so many bytes, with zeros where the kernel gave less.
void Append(Bytes& to, const nlattr* value, size_t bytes) {
  const size_t start = to.size();
  to.resize(start + Padded(bytes));
  if (value == nullptr) return;
  const size_t given = std::min(bytes, static_cast<size_t>(nla_len(value)));
  std::copy_n(static_cast<const uint8_t*>(nla_data(value)), given,
              to.begin() + static_cast<std::ptrdiff_t>(start));
}

void ReadElement(const nlattr* member, SetRow& set) {
  const Attributes<NFTA_SET_ELEM_MAX> element(member);
  const Attributes<NFTA_DATA_MAX> key(element[NFTA_SET_ELEM_KEY]);
  // The catch-all of a set has none; it is none of ours.
  if (!key.Has(NFTA_DATA_VALUE)) return;
  Append(set.packed, key[NFTA_DATA_VALUE], set.key_bytes);
  if ((set.flags & NFT_SET_MAP) == 0) return;
  const Attributes<NFTA_DATA_MAX> data(element[NFTA_SET_ELEM_DATA]);
  if (!set.HasVerdicts()) return Append(set.packed, data[NFTA_DATA_VALUE], set.data_bytes);
  const Attributes<NFTA_VERDICT_MAX> verdict(data[NFTA_DATA_VERDICT]);
  set.verdicts.push_back(
      {static_cast<int32_t>(verdict.U32(NFTA_VERDICT_CODE)), verdict.Text(NFTA_VERDICT_CHAIN)});
}

}  // namespace

bool SetRow::HasVerdicts() const { return data_type == NFT_DATA_VERDICT; }

std::optional<TableRow> ReadTable(nlmsghdr* header) {
  if (!IsOf(header, NFT_MSG_NEWTABLE)) return std::nullopt;
  const Attributes<NFTA_TABLE_MAX> from(header);
  return TableRow{{FamilyOf(header), from.Text(NFTA_TABLE_NAME)},
                  from.U32(NFTA_TABLE_FLAGS),
                  from.U64(NFTA_TABLE_HANDLE),
                  from.U32(NFTA_TABLE_OWNER)};
}

std::optional<ChainRow> ReadChain(nlmsghdr* header) {
  if (!IsOf(header, NFT_MSG_NEWCHAIN)) return std::nullopt;
  const Attributes<NFTA_CHAIN_MAX> from(header);
  ChainRow row{{FamilyOf(header), from.Text(NFTA_CHAIN_TABLE)},
               from.Text(NFTA_CHAIN_NAME),
               from.U64(NFTA_CHAIN_HANDLE),
               std::nullopt};
  if (from.Has(NFTA_CHAIN_HOOK)) {
    row.base = ReadBase(from[NFTA_CHAIN_HOOK]);
    row.base->type = from.Text(NFTA_CHAIN_TYPE);
    if (from.Has(NFTA_CHAIN_POLICY)) row.base->policy = from.U32(NFTA_CHAIN_POLICY);
  }
  return row;
}

std::optional<RuleRow> ReadRule(nlmsghdr* header) {
  if (!IsOf(header, NFT_MSG_NEWRULE)) return std::nullopt;
  const Attributes<NFTA_RULE_MAX> from(header);
  RuleRow row{{FamilyOf(header), from.Text(NFTA_RULE_TABLE)},
              from.Text(NFTA_RULE_CHAIN),
              from.U64(NFTA_RULE_HANDLE),
              {},
              {}};
  const Bytes user_data = from.Raw(NFTA_RULE_USERDATA);
  row.comment = ReadComment(user_data.data(), user_data.size());
  ForEachIn(from[NFTA_RULE_EXPRESSIONS],
            [&row](const nlattr* member) { row.expressions.push_back(ReadExpression(member)); });
  return row;
}

std::optional<SetRow> ReadSet(nlmsghdr* header) {
  if (!IsOf(header, NFT_MSG_NEWSET)) return std::nullopt;
  const Attributes<NFTA_SET_MAX> from(header);
  SetRow row;
  row.table = {FamilyOf(header), from.Text(NFTA_SET_TABLE)};
  row.name = from.Text(NFTA_SET_NAME);
  row.handle = from.U64(NFTA_SET_HANDLE);
  row.flags = from.U32(NFTA_SET_FLAGS);
  row.key_type = from.U32(NFTA_SET_KEY_TYPE);
  row.key_bytes = from.U32(NFTA_SET_KEY_LEN);
  row.data_type = from.U32(NFTA_SET_DATA_TYPE);
  row.size = Attributes<NFTA_SET_DESC_MAX>(from[NFTA_SET_DESC]).U32(NFTA_SET_DESC_SIZE);
  const bool has_data = (row.flags & NFT_SET_MAP) != 0 && !row.HasVerdicts();
  if (has_data) row.data_bytes = from.U32(NFTA_SET_DATA_LEN);
  if (row.key_bytes > kMaxBytes || row.data_bytes > kMaxBytes) return std::nullopt;
  return row;
}

void ReadElements(nlmsghdr* header, SetRow& set) {
  if (!IsOf(header, NFT_MSG_NEWSETELEM)) return;
  const Attributes<NFTA_SET_ELEM_LIST_MAX> from(header);
  ForEachIn(from[NFTA_SET_ELEM_LIST_ELEMENTS],
            [&set](const nlattr* member) { ReadElement(member, set); });
}

std::optional<uint32_t> ReadGeneration(nlmsghdr* header) {
  if (!IsOf(header, NFT_MSG_NEWGEN)) return std::nullopt;
  return Attributes<NFTA_GEN_MAX>(header).U32(NFTA_GEN_ID);
}

}  // namespace snnet::nft
