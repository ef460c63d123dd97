// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "nl/message.h"

namespace snnet::rtnl {

using Mac = std::array<uint8_t, 6>;
using Ipv4 = uint32_t;  // in network byte order, as the kernel takes it

// What any link can be given, at creation or later; what is absent is left as it is.
struct LinkAttributes {
  std::optional<std::string> ifname;
  std::optional<Mac> address;
  std::optional<uint32_t> mtu;
  std::optional<uint32_t> txqlen;
  std::optional<uint32_t> master;
  std::optional<bool> up;
  std::optional<std::string> alias;
  // At creation only.
  std::optional<std::string> alt_name;
  std::optional<uint32_t> group;
  bool no_ipv6_link_local = false;
  // What net.ipv4.conf.<link> says (IPV4_DEVCONF_*): cheaper than sysctls, and where /proc/sys is
  // read-only.
  std::vector<std::pair<uint16_t, uint32_t>> ipv4;
  // As a bridge port: frames may leave by the port they came in by.
  std::optional<bool> hairpin;
};

struct VethPeer {
  std::string ifname;
  uint32_t ifindex = 0;
  LinkAttributes attributes;
  // The namespace that it is made in: a path, and its descriptor while the request is sent.
  std::string netns;
  int netns_fd = -1;
};
struct Macvtap {
  uint32_t mode = 0;  // MACVLAN_MODE_*
};
struct Vxlan {
  uint32_t vni = 0;
  std::optional<Ipv4> local;
  std::optional<Ipv4> remote;
  uint16_t port = 0;
  bool learning = true;
};
struct Gre {
  Ipv4 local = 0;
  Ipv4 remote = 0;
  uint32_t key = 0;
  bool pmtudisc = true;
  uint8_t ttl = 0;
};
struct Geneve {
  uint32_t vni = 0;
  Ipv4 remote = 0;
  uint16_t port = 0;
};
using KindData = std::variant<std::monostate, VethPeer, Macvtap, Vxlan, Gre, Geneve>;

struct LinkSpec {
  std::string ifname;
  uint32_t ifindex = 0;
  std::string kind;
  LinkAttributes attributes;
  std::optional<uint32_t> lower;
  KindData data;
};

// Creates a link with a chosen index. The kernel silently ignores an alias and refuses IPv6
// settings in this message; FollowLink carries them (kernel: net/core/rtnetlink.c rtnl_newlink).
nl::Message CreateLink(const LinkSpec& spec);

// The alias and the IPv4 and IPv6 settings of a link just created, or nothing where it needs none.
std::optional<nl::Message> FollowLink(uint32_t ifindex, const LinkAttributes& attributes);

nl::Message ChangeLink(uint32_t ifindex, const LinkAttributes& attributes);

// Gives a link one more name, up to 127 bytes, which nothing in the namespace must have.
nl::Message AddAltName(uint32_t ifindex, const std::string& name);

// Where a tunnel that is there leads; what is absent is left as it is, but of a GRE all is written
// anew (kernel: net/ipv4/ip_gre.c ipgre_netlink_parms).
struct TunnelChange {
  uint32_t ifindex = 0;
  std::string kind;
  std::variant<std::monostate, Vxlan, Gre, Geneve> data;
  // In the same message, so that the link's identity changes with it.
  std::optional<std::string> alias;
};
nl::Message ChangeTunnel(const TunnelChange& change);

// What a link is allowed as a bridge port. Only this message type carries it: the kernel ignores it
// at creation and in RTM_SETLINK.
nl::Message ChangePort(uint32_t ifindex, bool hairpin);

// Asks for one link, without statistics.
nl::Message GetLink(uint32_t ifindex);
nl::Message DumpLinks();

nl::Message DeleteLink(uint32_t ifindex);
// Deletes every link of a group: for many links this costs what one costs.
nl::Message DeleteGroup(uint32_t group);

}  // namespace snnet::rtnl
