// SPDX-License-Identifier: Apache-2.0
//
// The words of JS for the numbers of nf_tables, for both ways.
#pragma once

#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>

#include <algorithm>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "nft/command.h"

namespace snnet::napi {

struct NamedNumber {
  std::string_view name;
  uint32_t number;
};
using Names = std::span<const NamedNumber>;

inline std::optional<uint32_t> NumberOf(Names names, std::string_view name) {
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const NamedNumber& known) { return known.name == name; });
  if (found == names.end()) return std::nullopt;
  return found->number;
}

// The empty string for a number that has no word.
inline std::string NameOf(Names names, uint32_t number) {
  const auto found = std::find_if(names.begin(), names.end(),
                                  [&](const NamedNumber& known) { return known.number == number; });
  return found == names.end() ? std::string() : std::string(found->name);
}

inline constexpr NamedNumber kFamilies[] = {{"inet", NFPROTO_INET},
                                            {"ip", NFPROTO_IPV4},
                                            {"ip6", NFPROTO_IPV6},
                                            {"bridge", NFPROTO_BRIDGE},
                                            {"netdev", NFPROTO_NETDEV}};
// Before Linux 6.9 the kernel has no `persist`, nor have its headers.
inline constexpr uint32_t kTablePersist = 4;
inline constexpr NamedNumber kTableFlags[] = {
    {"dormant", NFT_TABLE_F_DORMANT}, {"owner", NFT_TABLE_F_OWNER}, {"persist", kTablePersist}};
inline constexpr NamedNumber kHooks[] = {
    {"prerouting", NF_INET_PRE_ROUTING},   {"input", NF_INET_LOCAL_IN},
    {"forward", NF_INET_FORWARD},          {"output", NF_INET_LOCAL_OUT},
    {"postrouting", NF_INET_POST_ROUTING}, {"ingress", NF_INET_INGRESS}};
inline constexpr NamedNumber kDeviceHooks[] = {{"ingress", NF_NETDEV_INGRESS},
                                               {"egress", NF_NETDEV_EGRESS}};
inline constexpr NamedNumber kPolicies[] = {{"accept", NF_ACCEPT}, {"drop", NF_DROP}};
inline constexpr NamedNumber kSetFlags[] = {{"constant", NFT_SET_CONSTANT}};
inline constexpr NamedNumber kVerdicts[] = {{"accept", NF_ACCEPT},
                                            {"drop", NF_DROP},
                                            {"continue", static_cast<uint32_t>(NFT_CONTINUE)},
                                            {"return", static_cast<uint32_t>(NFT_RETURN)},
                                            {"jump", static_cast<uint32_t>(NFT_JUMP)},
                                            {"goto", static_cast<uint32_t>(NFT_GOTO)}};
inline constexpr NamedNumber kMetaKeys[] = {
    {"protocol", NFT_META_PROTOCOL}, {"mark", NFT_META_MARK},       {"iif", NFT_META_IIF},
    {"oif", NFT_META_OIF},           {"iifname", NFT_META_IIFNAME}, {"oifname", NFT_META_OIFNAME},
    {"nfproto", NFT_META_NFPROTO},   {"l4proto", NFT_META_L4PROTO}, {"pkttype", NFT_META_PKTTYPE},
    {"iifkind", NFT_META_IIFKIND},   {"oifkind", NFT_META_OIFKIND}};
inline constexpr NamedNumber kMetaSetKeys[] = {{"mark", NFT_META_MARK},
                                               {"nftrace", NFT_META_NFTRACE}};
inline constexpr NamedNumber kBases[] = {{"link", NFT_PAYLOAD_LL_HEADER},
                                         {"network", NFT_PAYLOAD_NETWORK_HEADER},
                                         {"transport", NFT_PAYLOAD_TRANSPORT_HEADER}};
inline constexpr NamedNumber kComparisons[] = {{"eq", NFT_CMP_EQ}, {"neq", NFT_CMP_NEQ},
                                               {"lt", NFT_CMP_LT}, {"lte", NFT_CMP_LTE},
                                               {"gt", NFT_CMP_GT}, {"gte", NFT_CMP_GTE}};
inline constexpr NamedNumber kByteorders[] = {{"ntoh", NFT_BYTEORDER_NTOH},
                                              {"hton", NFT_BYTEORDER_HTON}};
inline constexpr NamedNumber kCtKeys[] = {{"state", NFT_CT_STATE},
                                          {"direction", NFT_CT_DIRECTION},
                                          {"status", NFT_CT_STATUS},
                                          {"mark", NFT_CT_MARK},
                                          {"zone", NFT_CT_ZONE}};
inline constexpr NamedNumber kCtSetKeys[] = {{"mark", NFT_CT_MARK}};
inline constexpr NamedNumber kNatKinds[] = {{"snat", NFT_NAT_SNAT}, {"dnat", NFT_NAT_DNAT}};
inline constexpr NamedNumber kNatFamilies[] = {{"ip", NFPROTO_IPV4}, {"ip6", NFPROTO_IPV6}};
inline constexpr NamedNumber kNatFlags[] = {{"random", NF_NAT_RANGE_PROTO_RANDOM},
                                            {"fully-random", NF_NAT_RANGE_PROTO_RANDOM_FULLY},
                                            {"persistent", NF_NAT_RANGE_PERSISTENT}};
inline constexpr NamedNumber kRtKeys[] = {{"tcpmss", NFT_RT_TCPMSS}};
inline constexpr NamedNumber kFibSelectors[] = {{"saddr", NFTA_FIB_F_SADDR},
                                                {"daddr", NFTA_FIB_F_DADDR},
                                                {"mark", NFTA_FIB_F_MARK},
                                                {"iif", NFTA_FIB_F_IIF},
                                                {"oif", NFTA_FIB_F_OIF}};
inline constexpr NamedNumber kFibResults[] = {{"oif", NFT_FIB_RESULT_OIF},
                                              {"oifname", NFT_FIB_RESULT_OIFNAME},
                                              {"addrtype", NFT_FIB_RESULT_ADDRTYPE}};

// The types of nft (its enum datatypes), which the kernel keeps and does not look at.
struct NamedType {
  std::string_view name;
  nft::FieldType type;
};
inline constexpr NamedType kTypes[] = {
    {"ipv4_addr", {7, 4, false}},     {"ether_addr", {9, 6, false}}, {"inet_proto", {12, 1, false}},
    {"inet_service", {13, 2, false}}, {"mark", {19, 4, true}},       {"iface_index", {20, 4, true}},
    {"ct_state", {26, 4, true}},      {"ifname", {41, 16, true}}};

}  // namespace snnet::napi
