// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "nl/message.h"
#include "rtnl/link.h"

namespace snnet::rtnl {

struct Address {
  uint32_t ifindex = 0;
  Ipv4 address = 0;
  uint8_t prefix_length = 0;
};

nl::Message AddAddress(const Address& address);
nl::Message DeleteAddress(const Address& address);
nl::Message DumpAddresses();
std::optional<Address> ReadAddress(nlmsghdr* header);

// "10.0.0.1" of four bytes in network order.
std::string Ipv4Text(Ipv4 address);

}  // namespace snnet::rtnl
