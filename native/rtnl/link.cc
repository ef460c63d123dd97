// SPDX-License-Identifier: Apache-2.0
#include "rtnl/link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include "rtnl/kinds.h"

namespace snnet::rtnl {
namespace {

ifinfomsg HeaderFor(uint32_t ifindex, const std::optional<bool>& up) {
  ifinfomsg header{};
  header.ifi_family = AF_UNSPEC;
  header.ifi_index = static_cast<int>(ifindex);
  if (up) {
    header.ifi_change = IFF_UP;
    header.ifi_flags = *up ? IFF_UP : 0;
  }
  return header;
}

void PutCommon(nl::Message& message, const LinkAttributes& attributes) {
  if (attributes.ifname) message.PutString(IFLA_IFNAME, *attributes.ifname);
  if (attributes.address) message.Put(IFLA_ADDRESS, *attributes.address);
  if (attributes.mtu) message.Put(IFLA_MTU, *attributes.mtu);
  if (attributes.txqlen) message.Put(IFLA_TXQLEN, *attributes.txqlen);
  if (attributes.group) message.Put(IFLA_GROUP, *attributes.group);
  if (attributes.master) message.Put(IFLA_MASTER, *attributes.master);
}

// An empty alias removes it; the kernel wants the attribute with no bytes for that.
void PutAlias(nl::Message& message, const std::string& alias) {
  message.PutBytes(IFLA_IFALIAS, alias.data(), alias.size());
}

bool HasFamilySettings(const LinkAttributes& attributes) {
  return attributes.no_ipv6_link_local || !attributes.ipv4.empty();
}

void PutFamilySettings(nl::Message& message, const LinkAttributes& attributes) {
  nl::Message::Nest spec(message, IFLA_AF_SPEC);
  if (attributes.no_ipv6_link_local) {
    nl::Message::Nest inet6(message, AF_INET6);
    message.Put(IFLA_INET6_ADDR_GEN_MODE, static_cast<uint8_t>(IN6_ADDR_GEN_MODE_NONE));
  }
  if (!attributes.ipv4.empty()) {
    nl::Message::Nest inet(message, AF_INET);
    nl::Message::Nest settings(message, IFLA_INET_CONF);
    for (const auto& [setting, value] : attributes.ipv4) message.Put(setting, value);
  }
}

std::string Device(uint32_t ifindex) { return "dev #" + std::to_string(ifindex); }

}  // namespace

nl::Message CreateLink(const LinkSpec& spec) {
  nl::Message message(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL,
                      "ip link add " + spec.ifname + " type " + spec.kind);
  message.Header(HeaderFor(spec.ifindex, spec.attributes.up));
  message.PutString(IFLA_IFNAME, spec.ifname);
  if (spec.lower) message.Put(IFLA_LINK, *spec.lower);
  LinkAttributes common = spec.attributes;
  common.ifname.reset();
  PutCommon(message, common);
  {
    nl::Message::Nest info(message, IFLA_LINKINFO);
    message.PutString(IFLA_INFO_KIND, spec.kind);
    PutKindData(message, spec);
  }
  return message;
}

std::optional<nl::Message> FollowLink(uint32_t ifindex, const LinkAttributes& attributes) {
  if (!attributes.alias && !HasFamilySettings(attributes)) return std::nullopt;
  LinkAttributes rest;
  rest.alias = attributes.alias;
  rest.no_ipv6_link_local = attributes.no_ipv6_link_local;
  rest.ipv4 = attributes.ipv4;
  return ChangeLink(ifindex, rest);
}

nl::Message ChangeLink(uint32_t ifindex, const LinkAttributes& attributes) {
  nl::Message message(RTM_SETLINK, 0, "ip link set " + Device(ifindex));
  message.Header(HeaderFor(ifindex, attributes.up));
  PutCommon(message, attributes);
  if (attributes.alias) PutAlias(message, *attributes.alias);
  if (HasFamilySettings(attributes)) PutFamilySettings(message, attributes);
  return message;
}

nl::Message AddAltName(uint32_t ifindex, const std::string& name) {
  nl::Message message(RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND,
                      "ip link property add " + Device(ifindex) + " altname " + name);
  message.Header(HeaderFor(ifindex, std::nullopt));
  nl::Message::Nest names(message, IFLA_PROP_LIST);
  message.PutString(IFLA_ALT_IFNAME, name);
  return message;
}

nl::Message ChangeTunnel(const TunnelChange& change) {
  nl::Message message(RTM_NEWLINK, 0,
                      "ip link set " + Device(change.ifindex) + " type " + change.kind);
  message.Header(HeaderFor(change.ifindex, std::nullopt));
  {
    nl::Message::Nest info(message, IFLA_LINKINFO);
    message.PutString(IFLA_INFO_KIND, change.kind);
    PutTunnelChange(message, change);
  }
  if (change.alias) PutAlias(message, *change.alias);
  return message;
}

nl::Message ChangePort(uint32_t ifindex, bool hairpin) {
  nl::Message message(
      RTM_NEWLINK, 0,
      "bridge link set " + Device(ifindex) + (hairpin ? " hairpin on" : " hairpin off"));
  message.Header(HeaderFor(ifindex, std::nullopt));
  {
    nl::Message::Nest info(message, IFLA_LINKINFO);
    message.PutString(IFLA_INFO_SLAVE_KIND, "bridge");
    nl::Message::Nest data(message, IFLA_INFO_SLAVE_DATA);
    message.Put(IFLA_BRPORT_MODE, static_cast<uint8_t>(hairpin));
  }
  return message;
}

nl::Message GetLink(uint32_t ifindex) {
  nl::Message message(RTM_GETLINK, 0, "ip link show " + Device(ifindex));
  message.Header(HeaderFor(ifindex, std::nullopt));
  message.Put(IFLA_EXT_MASK, static_cast<uint32_t>(RTEXT_FILTER_SKIP_STATS));
  return message;
}

nl::Message DumpLinks() {
  nl::Message message(RTM_GETLINK, 0, "ip link show");
  message.Header(HeaderFor(0, std::nullopt));
  message.Put(IFLA_EXT_MASK, static_cast<uint32_t>(RTEXT_FILTER_SKIP_STATS));
  return message;
}

nl::Message DeleteLink(uint32_t ifindex) {
  nl::Message message(RTM_DELLINK, 0, "ip link delete index " + std::to_string(ifindex));
  message.Header(HeaderFor(ifindex, std::nullopt));
  return message;
}

nl::Message DeleteGroup(uint32_t group) {
  nl::Message message(RTM_DELLINK, 0, "ip link delete group " + std::to_string(group));
  message.Header(HeaderFor(0, std::nullopt));
  message.Put(IFLA_GROUP, group);
  return message;
}

}  // namespace snnet::rtnl
