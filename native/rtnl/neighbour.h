// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nl/message.h"
#include "rtnl/link.h"

namespace snnet::rtnl {

// A permanent neighbour: on Ethernet the link-layer address is a MAC, on a point-to-multipoint GRE
// it is the four bytes of the outer address.
struct Neighbour {
  uint32_t ifindex = 0;
  Ipv4 address = 0;
  std::vector<uint8_t> lladdr;
};

// A forwarding entry: with a destination one of a VXLAN device's own table; without, one of the
// bridge that the link is a port of, which stays where it is whatever arrives elsewhere (sticky).
struct Fdb {
  uint32_t ifindex = 0;
  Mac mac{};
  std::optional<Ipv4> dst;
};

struct NeighbourRow {
  uint32_t ifindex = 0;
  std::string address;
  std::string lladdr;
  bool is_permanent = false;
};

nl::Message AddNeighbour(const Neighbour& neighbour);
nl::Message DeleteNeighbour(const Neighbour& neighbour);
nl::Message DumpNeighbours();

nl::Message AppendFdb(const Fdb& entry);
nl::Message DeleteFdb(const Fdb& entry);
nl::Message DumpFdb();

// Reads a row of either dump.
std::optional<NeighbourRow> ReadNeighbour(nlmsghdr* header);

}  // namespace snnet::rtnl
