// SPDX-License-Identifier: Apache-2.0
#include "rtnl/link_row.h"

#include <linux/ipv6.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "rtnl/attribute.h"

namespace snnet::rtnl {
namespace {

std::string ReadAltNames(nlattr* list) {
  std::string names;
  if (list == nullptr) return names;
  nlattr* name = nullptr;
  int rest = 0;
  nla_for_each_nested(name, list, rest) {
    if (nla_type(name) != IFLA_ALT_IFNAME) continue;
    if (!names.empty()) names += ' ';
    names += ReadText(name);
  }
  return names;
}

// The settings of IPv6 come as a list, in the order of DEVCONF_* (net/ipv6/addrconf.c,
// ipv6_store_devconf). There are none where IPv6 is switched off.
bool TakesAdvertisements(nlattr* families) {
  nlattr* inet6 = families == nullptr ? nullptr
                                      : nla_find(static_cast<nlattr*>(nla_data(families)),
                                                 nla_len(families), AF_INET6);
  if (inet6 == nullptr) return false;
  const nlattr* list =
      nla_find(static_cast<nlattr*>(nla_data(inet6)), nla_len(inet6), IFLA_INET6_CONF);
  if (list == nullptr) return false;
  const auto setting = [&](size_t index) {
    int32_t value = 0;
    if (static_cast<size_t>(nla_len(list)) < (index + 1) * sizeof value) return value;
    std::memcpy(&value, static_cast<const char*>(nla_data(list)) + index * sizeof value,
                sizeof value);
    return value;
  };
  return setting(DEVCONF_DISABLE_IPV6) == 0 && setting(DEVCONF_ACCEPT_RA) != 0;
}

// Both ends get their carrier when both are up (drivers/net/veth.c, veth_open).
bool WaitsForPeer(nlattr* const* attributes) {
  const nlattr* count = attributes[IFLA_CARRIER_UP_COUNT];
  return attributes[IFLA_LINK_NETNSID] != nullptr && count != nullptr && ReadU32(count) == 0;
}

}  // namespace

uint32_t ReadLinkIndex(nlmsghdr* header) {
  if (header->nlmsg_len < NLMSG_LENGTH(sizeof(ifinfomsg))) return 0;
  const auto* info = static_cast<ifinfomsg*>(nlmsg_data(header));
  if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0) return 0;
  return static_cast<uint32_t>(info->ifi_index);
}

std::optional<LinkRow> ReadLink(nlmsghdr* header) {
  LinkRow row;
  row.ifindex = ReadLinkIndex(header);
  if (row.ifindex == 0) return std::nullopt;
  std::array<nlattr*, IFLA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ifinfomsg), attributes.data(), IFLA_MAX, nullptr) != 0) {
    return std::nullopt;
  }
  row.flags = static_cast<ifinfomsg*>(nlmsg_data(header))->ifi_flags;
  row.ifname = ReadText(attributes[IFLA_IFNAME]);
  row.alias = ReadText(attributes[IFLA_IFALIAS]);
  row.address = ReadHex(attributes[IFLA_ADDRESS]);
  row.alt_names = ReadAltNames(attributes[IFLA_PROP_LIST]);
  row.mtu = ReadU32(attributes[IFLA_MTU]);
  row.master = ReadU32(attributes[IFLA_MASTER]);
  row.link = ReadU32(attributes[IFLA_LINK]);
  row.group = ReadU32(attributes[IFLA_GROUP]);
  if (attributes[IFLA_LINKINFO] != nullptr) {
    std::array<nlattr*, IFLA_INFO_MAX + 1> info{};
    if (nla_parse_nested(info.data(), IFLA_INFO_MAX, attributes[IFLA_LINKINFO], nullptr) == 0) {
      row.kind = ReadText(info[IFLA_INFO_KIND]);
      row.data = ReadKindData(row.kind, info[IFLA_INFO_DATA]);
      if (row.kind == "veth") row.waits_for_peer = WaitsForPeer(attributes.data());
      if (row.kind == "bridge")
        row.takes_advertisements = TakesAdvertisements(attributes[IFLA_AF_SPEC]);
    }
  }
  return row;
}

}  // namespace snnet::rtnl
