// SPDX-License-Identifier: Apache-2.0
#include "rtnl/route.h"

#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <sys/socket.h>

#include <array>

#include "rtnl/address.h"
#include "rtnl/attribute.h"

namespace snnet::rtnl {
namespace {

nl::Message Build(uint16_t type, uint16_t flags, const char* verb, const Route& route) {
  std::string text =
      std::string(verb) + Ipv4Text(route.destination) + "/" + std::to_string(route.prefix_length);
  if (route.via) text += " via " + Ipv4Text(*route.via);
  nl::Message message(type, flags, text + " dev #" + std::to_string(route.ifindex));
  rtmsg header{};
  header.rtm_family = AF_INET;
  header.rtm_dst_len = route.prefix_length;
  header.rtm_table = RT_TABLE_MAIN;
  if (type == RTM_NEWROUTE) {
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = route.via ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  } else {
    header.rtm_scope = RT_SCOPE_NOWHERE;
  }
  header.rtm_type = RTN_UNICAST;
  message.Header(header);
  message.Put(RTA_DST, route.destination);
  message.Put(RTA_OIF, route.ifindex);
  if (route.via) message.Put(RTA_GATEWAY, *route.via);
  if (route.metric && type == RTM_NEWROUTE) message.Put(RTA_PRIORITY, *route.metric);
  return message;
}

}  // namespace

nl::Message AddRoute(const Route& route) {
  return Build(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, "ip route add ", route);
}

// Whoever made it: the Go original's have another protocol, and host routes another scope.
nl::Message DeleteRoute(const Route& route) {
  return Build(RTM_DELROUTE, 0, "ip route delete ", route);
}

nl::Message DumpRoutes() {
  nl::Message message(RTM_GETROUTE, 0, "ip -4 route show");
  rtmsg header{};
  header.rtm_family = AF_INET;
  message.Header(header);
  return message;
}

std::optional<Route> ReadRoute(nlmsghdr* header) {
  std::array<nlattr*, RTA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(rtmsg), attributes.data(), RTA_MAX, nullptr) != 0) {
    return std::nullopt;
  }
  const auto* info = static_cast<rtmsg*>(nlmsg_data(header));
  const bool is_main = info->rtm_table == RT_TABLE_MAIN && info->rtm_type == RTN_UNICAST;
  if (!is_main || (info->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
  Route route;
  route.prefix_length = info->rtm_dst_len;
  route.destination = ReadU32(attributes[RTA_DST]);
  route.ifindex = ReadU32(attributes[RTA_OIF]);
  if (attributes[RTA_GATEWAY] != nullptr) route.via = ReadU32(attributes[RTA_GATEWAY]);
  return route;
}

}  // namespace snnet::rtnl
