// SPDX-License-Identifier: Apache-2.0
#include <linux/netfilter.h>

#include "nft/command.h"

namespace snnet::nft {
namespace {

const char* FamilyName(uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    case NFPROTO_BRIDGE:
      return "bridge";
    case NFPROTO_NETDEV:
      return "netdev";
    default:
      return "?";
  }
}

std::string List(const Elements& elements) {
  return elements.set + " { " + std::to_string(CountOf(elements)) + " elements }";
}

struct Words {
  std::string where;

  std::string operator()(const AddTable&) const { return "add table" + where; }
  std::string operator()(const SetTable&) const { return "add table" + where; }
  std::string operator()(const DeleteTable&) const { return "delete table" + where; }
  std::string operator()(const AddChain& chain) const {
    return "add chain" + where + " " + chain.chain;
  }
  std::string operator()(const DeleteChain& chain) const {
    return "delete chain" + where + " " + chain.chain;
  }
  std::string operator()(const FlushChain& chain) const {
    return "flush chain" + where + " " + chain.chain;
  }
  std::string operator()(const AddSet& set) const {
    const bool is_map = set.has_verdicts || !set.data.empty();
    return (is_map ? "add map" : "add set") + where + " " + set.set;
  }
  std::string operator()(const DeleteSet& set) const {
    return "delete set" + where + " " + set.set;
  }
  std::string operator()(const AddElements& elements) const {
    return "add element" + where + " " + List(elements);
  }
  std::string operator()(const DeleteElements& elements) const {
    return "delete element" + where + " " + List(elements);
  }
  std::string operator()(const AddRule& rule) const {
    const char* verb = rule.is_first ? "insert rule" : "add rule";
    const std::string comment = rule.comment.empty() ? "" : " comment \"" + rule.comment + "\"";
    return verb + where + " " + rule.chain + comment;
  }
  std::string operator()(const DeleteRule& rule) const {
    return "delete rule" + where + " " + rule.chain + " handle " + std::to_string(rule.handle);
  }
};

}  // namespace

std::string Describe(const Command& command) {
  const std::string where =
      std::string(" ") + FamilyName(command.table.family) + " " + command.table.name;
  return "nft " + std::visit(Words{where}, command.action);
}

}  // namespace snnet::nft
