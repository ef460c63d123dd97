// SPDX-License-Identifier: Apache-2.0
#include "napi/decode_nft.h"

#include <limits>
#include <map>

#include "nft/user_data.h"

namespace snnet::napi {
namespace {

constexpr size_t kObjectNameBytes = 255;   // NFT_NAME_MAXLEN less its zero
constexpr size_t kWordBytes = 16;          // no word of ours is longer
constexpr uint32_t kMaxValueBytes = 64;    // NFT_DATA_VALUE_MAXLEN
constexpr size_t kMaxFields = 5;           // what the 32 bits of a set's type have room for
constexpr uint32_t kMaxSetSize = 1 << 20;  // 16 MiB of buckets

int32_t Signed(const Reader& from, const char* name) {
  using Limits = std::numeric_limits<int32_t>;
  return static_cast<int32_t>(from.Integer(name, Limits::min(), Limits::max()));
}

// As the kernel gave it; JS keeps no larger number whole.
uint64_t Handle(const Reader& from) {
  constexpr int64_t kMaxSafe = 9007199254740991;
  return static_cast<uint64_t>(from.Integer("handle", 1, kMaxSafe));
}

// ---- the commands

nft::Action DecodeTableAdd(const Reader& from) {
  return nft::AddTable{DecodeFlags(from, "flags", kTableFlags)};
}
nft::Action DecodeTableSet(const Reader& from) {
  return nft::SetTable{DecodeFlags(from, "flags", kTableFlags)};
}
nft::Action DecodeTableDelete(const Reader&) { return nft::DeleteTable{}; }

nft::BaseChain DecodeBase(const Reader& from, bool is_of_device) {
  nft::BaseChain to;
  to.type = from.Text("type", kWordBytes);
  to.hook = DecodeName(from, "hook", is_of_device ? Names(kDeviceHooks) : Names(kHooks));
  to.priority = Signed(from, "priority");
  if (from.Has("policy")) to.policy = DecodeName(from, "policy", kPolicies);
  if (from.Has("device")) to.device = from.LinkName("device");
  return to;
}
nft::Action DecodeChainAdd(const Reader& from) {
  nft::AddChain to{DecodeNftName(from, "chain"), std::nullopt};
  const bool is_of_device = DecodeName(from, "family", kFamilies) == NFPROTO_NETDEV;
  if (from.Has("base")) to.base = DecodeBase(from.Child("base"), is_of_device);
  return to;
}
nft::Action DecodeChainDelete(const Reader& from) {
  return nft::DeleteChain{DecodeNftName(from, "chain")};
}
nft::Action DecodeChainFlush(const Reader& from) {
  return nft::FlushChain{DecodeNftName(from, "chain")};
}

std::vector<nft::FieldType> DecodeTypes(const Reader& from, const char* name) {
  constexpr const char* kExpected = "1 to 5 types of nft, 64 bytes together";
  std::vector<nft::FieldType> types;
  size_t bytes = 0;
  for (const std::string& word : from.Strings(name)) {
    const auto* const found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                           [&](const NamedType& t) { return t.name == word; });
    if (found == std::end(kTypes)) {
      from.Fail(name, kExpected);
      return types;
    }
    types.push_back(found->type);
    bytes += (found->type.bytes + 3) & ~3U;
  }
  if (types.empty() || types.size() > kMaxFields || bytes > kMaxValueBytes) {
    from.Fail(name, kExpected);
  }
  return types;
}
nft::Action DecodeSetAdd(const Reader& from) {
  nft::AddSet to;
  to.set = DecodeNftName(from, "set");
  to.key = DecodeTypes(from, "key");
  to.has_verdicts = from.Strings("data") == std::vector<std::string>{"verdict"};
  if (from.Has("data") && !to.has_verdicts) to.data = DecodeTypes(from, "data");
  to.flags = DecodeFlags(from, "flags", kSetFlags);
  to.size = from.MaybeNumber("size", 1, kMaxSetSize).value_or(0);
  return to;
}
nft::Action DecodeSetDelete(const Reader& from) {
  return nft::DeleteSet{DecodeNftName(from, "set")};
}

template <typename T>
nft::Action DecodeElements(const Reader& from) {
  T to;
  to.set = DecodeNftName(from, "set");
  to.key_bytes = from.Number("keyBytes", 1, kMaxValueBytes);
  to.data_bytes = from.Number("dataBytes", 0, kMaxValueBytes);
  to.shared = from.Buffer("packed");
  if (to.packed().size() % nft::Stride(to) != 0) {
    from.Fail("packed", "whole elements, each key and each value padded to four bytes");
  }
  for (const Reader& verdict : from.MaybeChildren("verdicts")) {
    to.verdicts.push_back(DecodeVerdict(verdict));
  }
  const bool has_each = to.data_bytes == 0 && to.verdicts.size() == nft::CountOf(to);
  if (!to.verdicts.empty() && !has_each) {
    from.Fail("verdicts", "one for each element, and no data");
  }
  return to;
}

template <bool kIsFirst>
nft::Action DecodeRuleAdd(const Reader& from) {
  nft::AddRule to;
  to.chain = DecodeNftName(from, "chain");
  to.is_first = kIsFirst;
  for (const Reader& expression : from.Children("expressions")) {
    to.expressions.push_back(DecodeExpression(expression));
  }
  to.comment = from.MaybeText("comment", nft::kMaxComment).value_or("");
  return to;
}
nft::Action DecodeRuleDelete(const Reader& from) {
  nft::DeleteRule to{DecodeNftName(from, "chain")};
  to.added_by = from.MaybeNumber("addedBy", 0, std::numeric_limits<uint32_t>::max());
  if (!to.added_by) to.handle = Handle(from);
  return to;
}

using CommandDecoder = nft::Action (*)(const Reader&);
const std::map<std::string, CommandDecoder>& CommandDecoders() {
  static const std::map<std::string, CommandDecoder> decoders = {
      {"table.add", DecodeTableAdd},
      {"table.set", DecodeTableSet},
      {"table.delete", DecodeTableDelete},
      {"chain.add", DecodeChainAdd},
      {"chain.delete", DecodeChainDelete},
      {"chain.flush", DecodeChainFlush},
      {"set.add", DecodeSetAdd},
      {"set.delete", DecodeSetDelete},
      {"elements.add", DecodeElements<nft::AddElements>},
      {"elements.delete", DecodeElements<nft::DeleteElements>},
      {"rule.add", DecodeRuleAdd<false>},
      {"rule.insert", DecodeRuleAdd<true>},
      {"rule.delete", DecodeRuleDelete}};
  return decoders;
}

nft::Command DecodeCommand(const Reader& from) {
  nft::Command to;
  to.table.family = static_cast<uint8_t>(DecodeName(from, "family", kFamilies));
  to.table.name = DecodeNftName(from, "table");
  const auto decoder = CommandDecoders().find(from.Text("op", kWordBytes));
  if (decoder == CommandDecoders().end()) {
    from.Fail("op", "a known command");
  } else {
    to.action = decoder->second(from);
  }
  return to;
}

constexpr NamedNumber kProtocols[] = {
    {"tcp", IPPROTO_TCP}, {"udp", IPPROTO_UDP}, {"icmp", IPPROTO_ICMP}};

nft::Tuple DecodeTuple(const Reader& from) {
  constexpr uint32_t kMaxPort = 0xffff;
  nft::Tuple to;
  to.protocol = static_cast<uint8_t>(DecodeName(from, "protocol", kProtocols));
  to.source = from.Address("source");
  to.destination = from.Address("destination");
  to.source_port = static_cast<uint16_t>(from.Number("sourcePort", 0, kMaxPort));
  to.destination_port = static_cast<uint16_t>(from.Number("destinationPort", 0, kMaxPort));
  to.zone = static_cast<uint16_t>(from.MaybeNumber("zone", 0, kMaxPort).value_or(0));
  return to;
}

}  // namespace

uint32_t DecodeName(const Reader& from, const char* name, Names names) {
  if (const auto number = NumberOf(names, from.Text(name, kWordBytes))) return *number;
  std::string expected = "one of";
  for (const NamedNumber& known : names) expected.append(" ").append(known.name);
  from.Fail(name, expected.c_str());
  return 0;
}

uint32_t DecodeFlags(const Reader& from, const char* name, Names names) {
  uint32_t flags = 0;
  for (const std::string& word : from.Strings(name)) {
    const auto flag = NumberOf(names, word);
    if (!flag) from.Fail(name, "known flags");
    flags |= flag.value_or(0);
  }
  return flags;
}

std::string DecodeNftName(const Reader& from, const char* name) {
  std::string text = from.Text(name, kObjectNameBytes);
  if (text.empty()) from.Fail(name, "a name");
  return text;
}

nft::Verdict DecodeVerdict(const Reader& from) {
  nft::Verdict to;
  to.code = static_cast<int32_t>(DecodeName(from, "code", kVerdicts));
  const bool goes = to.code == NFT_JUMP || to.code == NFT_GOTO;
  if (goes) to.chain = DecodeNftName(from, "chain");
  if (!goes && from.Has("chain")) from.Fail("chain", "no chain but of jump and goto");
  return to;
}

exec::Action DecodeTransaction(const Reader& from) {
  exec::Transaction to;
  for (const Reader& command : from.Children("commands")) {
    to.commands.push_back(DecodeCommand(command));
  }
  return to;
}

nft::FlowFilter DecodeFlowFilter(const Reader& from) {
  nft::FlowFilter to;
  if (from.Has("protocol")) {
    to.protocol = static_cast<uint8_t>(DecodeName(from, "protocol", kProtocols));
  }
  if (from.Has("source")) to.source = from.Address("source");
  if (from.Has("destination")) to.destination = from.Address("destination");
  if (const auto port = from.MaybeNumber("destinationPort", 0, 0xffff)) {
    to.destination_port = static_cast<uint16_t>(*port);
  }
  if (from.Has("replySource")) to.reply_source = from.Address("replySource");
  return to;
}

exec::Action DecodeFlows(const Reader& from) {
  exec::DeleteFlows to;
  for (const Reader& flow : from.Children("flows")) to.flows.push_back(DecodeTuple(flow));
  return to;
}

}  // namespace snnet::napi
