// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <optional>
#include <string>

#include "rtnl/kinds.h"

namespace snnet::rtnl {

// One link as the kernel describes it.
struct LinkRow {
  uint32_t ifindex = 0;
  uint32_t mtu = 0;
  uint32_t master = 0;
  uint32_t link = 0;
  uint32_t flags = 0;  // IFF_*
  uint32_t group = 0;
  std::string ifname;
  std::string alias;
  std::string kind;
  std::string address;
  // Separated by blanks, which no name contains.
  std::string alt_names;
  // A bridge on which this machine believes what router advertisements say.
  bool takes_advertisements = false;
  // A veth whose other end, in another namespace, has never been up.
  bool waits_for_peer = false;
  KindRow data;
};

// Reads a RTM_NEWLINK or RTM_DELLINK. Nothing for a message that does not speak of a link as such
// (a bridge reports its ports in messages of family AF_BRIDGE) or that is malformed.
std::optional<LinkRow> ReadLink(nlmsghdr* header);

// Only the index, for who waits for a link to go; 0 where ReadLink would give nothing.
uint32_t ReadLinkIndex(nlmsghdr* header);

}  // namespace snnet::rtnl
