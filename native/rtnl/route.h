// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "nl/message.h"
#include "rtnl/link.h"

namespace snnet::rtnl {

// An IPv4 unicast route of the main table.
struct Route {
  Ipv4 destination = 0;
  uint8_t prefix_length = 0;
  uint32_t ifindex = 0;
  std::optional<Ipv4> via;
  // Not asked for when it is deleted.
  std::optional<uint32_t> metric;
};

nl::Message AddRoute(const Route& route);
nl::Message DeleteRoute(const Route& route);
nl::Message DumpRoutes();
std::optional<Route> ReadRoute(nlmsghdr* header);

}  // namespace snnet::rtnl
