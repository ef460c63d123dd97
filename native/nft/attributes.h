// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>

#include <array>
#include <cstdint>
#include <string>

#include "nft/expression.h"

namespace snnet::nft {

// The attributes of a message or of a nest, by number. What is absent or too short reads as zero or
// as empty.
template <int kMax>
class Attributes {
 public:
  explicit Attributes(nlmsghdr* header) {
    // What cannot be parsed to the end has been parsed until there.
    nlmsg_parse(header, sizeof(nfgenmsg), found_.data(), kMax, nullptr);
  }
  explicit Attributes(const nlattr* nest) {
    if (nest == nullptr) return;
    auto* const first = static_cast<nlattr*>(nla_data(nest));
    nla_parse(found_.data(), kMax, first, nla_len(nest), nullptr);
  }

  const nlattr* operator[](int number) const { return found_[static_cast<size_t>(number)]; }
  bool Has(int number) const { return (*this)[number] != nullptr; }

  uint32_t U32(int number) const {
    const nlattr* found = (*this)[number];
    return found != nullptr && nla_len(found) >= 4 ? be32toh(nla_get_u32(found)) : 0;
  }
  uint64_t U64(int number) const {
    const nlattr* found = (*this)[number];
    return found != nullptr && nla_len(found) >= 8 ? be64toh(nla_get_u64(found)) : 0;
  }
  std::string Text(int number) const {
    const nlattr* found = (*this)[number];
    if (found == nullptr) return {};
    const auto* text = static_cast<const char*>(nla_data(found));
    return {text, strnlen(text, static_cast<size_t>(nla_len(found)))};
  }
  Bytes Raw(int number) const {
    const nlattr* found = (*this)[number];
    if (found == nullptr) return {};
    const auto* data = static_cast<const uint8_t*>(nla_data(found));
    return {data, data + nla_len(found)};
  }

 private:
  std::array<nlattr*, kMax + 1> found_{};
};

// Unspecified in a message that is too short to say.
inline uint8_t FamilyOf(nlmsghdr* header) {
  if (nlmsg_datalen(header) < static_cast<int>(sizeof(nfgenmsg))) return 0;
  return static_cast<nfgenmsg*>(nlmsg_data(header))->nfgen_family;
}

// Calls `visit` with each attribute within.
template <typename Visit>
void ForEachIn(const nlattr* nest, const Visit& visit) {
  if (nest == nullptr) return;
  int remaining = nla_len(nest);
  for (auto* at = static_cast<nlattr*>(nla_data(nest)); nla_ok(at, remaining);
       at = nla_next(at, &remaining)) {
    visit(at);
  }
}

}  // namespace snnet::nft
