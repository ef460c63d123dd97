// SPDX-License-Identifier: Apache-2.0
//
// What rtnetlink says of links, addresses, routes and neighbours, whatever a message calls itself.
#include "input.h"
#include "rtnl/address.h"
#include "rtnl/link_row.h"
#include "rtnl/neighbour.h"
#include "rtnl/route.h"

namespace {

using snnet::fuzz::Require;

void Read(nlmsghdr* header) {
  const uint32_t ifindex = snnet::rtnl::ReadLinkIndex(header);
  if (const auto link = snnet::rtnl::ReadLink(header)) {
    Require(link->ifindex == ifindex && ifindex != 0, "a link has the index of its message");
    for (const std::string& text : {link->ifname, link->alias, link->kind, link->alt_names}) {
      // The table that crosses to JS ends each text with one.
      Require(text.find('\0') == std::string::npos, "no text has a NUL in it");
    }
  }
  if (const auto address = snnet::rtnl::ReadAddress(header)) {
    Require(!snnet::rtnl::Ipv4Text(address->address).empty(), "an address can be written");
  }
  static_cast<void>(snnet::rtnl::ReadRoute(header));
  if (const auto row = snnet::rtnl::ReadNeighbour(header)) {
    Require(row->lladdr.find('\0') == std::string::npos, "no text has a NUL in it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  snnet::fuzz::ForEachMessage(data, size, Read);
  return 0;
}
