// SPDX-License-Identifier: Apache-2.0
//
// One row for each kind of link with data of its own: how it is written and how it is read back.
// A kind that is not in the tables has none.
#include "rtnl/kinds.h"

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/if_tunnel.h>
#include <linux/veth.h>
#include <netlink/attr.h>

#include <array>

#include "rtnl/attribute.h"

namespace snnet::rtnl {
namespace {

// ---- writing

void PutVeth(nl::Message& message, const VethPeer& peer) {
  nl::Message::Nest nest(message, VETH_INFO_PEER);
  ifinfomsg header{};
  header.ifi_index = static_cast<int>(peer.ifindex);
  message.Header(header);
  message.PutString(IFLA_IFNAME, peer.ifname);
  const LinkAttributes& attributes = peer.attributes;
  if (attributes.address) message.Put(IFLA_ADDRESS, *attributes.address);
  if (attributes.mtu) message.Put(IFLA_MTU, *attributes.mtu);
  if (attributes.txqlen) message.Put(IFLA_TXQLEN, *attributes.txqlen);
  if (peer.netns_fd >= 0) message.Put(IFLA_NET_NS_FD, static_cast<uint32_t>(peer.netns_fd));
}

void PutVxlan(nl::Message& message, const Vxlan& vxlan) {
  message.Put(IFLA_VXLAN_ID, vxlan.vni);
  if (vxlan.local) message.Put(IFLA_VXLAN_LOCAL, *vxlan.local);
  if (vxlan.remote) message.Put(IFLA_VXLAN_GROUP, *vxlan.remote);
  message.Put(IFLA_VXLAN_PORT, htons(vxlan.port));
  message.Put(IFLA_VXLAN_LEARNING, static_cast<uint8_t>(vxlan.learning));
}

void PutGre(nl::Message& message, const Gre& gre) {
  message.Put(IFLA_GRE_LOCAL, gre.local);
  message.Put(IFLA_GRE_REMOTE, gre.remote);
  message.Put(IFLA_GRE_IFLAGS, static_cast<uint16_t>(GRE_KEY));
  message.Put(IFLA_GRE_OFLAGS, static_cast<uint16_t>(GRE_KEY));
  message.Put(IFLA_GRE_IKEY, htonl(gre.key));
  message.Put(IFLA_GRE_OKEY, htonl(gre.key));
  message.Put(IFLA_GRE_PMTUDISC, static_cast<uint8_t>(gre.pmtudisc));
  message.Put(IFLA_GRE_TTL, gre.ttl);
}

void PutGeneve(nl::Message& message, const Geneve& geneve) {
  message.Put(IFLA_GENEVE_ID, geneve.vni);
  message.Put(IFLA_GENEVE_REMOTE, geneve.remote);
  message.Put(IFLA_GENEVE_PORT, htons(geneve.port));
}

struct Writer {
  nl::Message& message;
  void operator()(std::monostate) const {}
  void operator()(const VethPeer& peer) const { PutVeth(message, peer); }
  void operator()(const Macvtap& macvtap) const { message.Put(IFLA_MACVLAN_MODE, macvtap.mode); }
  void operator()(const Vxlan& vxlan) const { PutVxlan(message, vxlan); }
  void operator()(const Gre& gre) const { PutGre(message, gre); }
  void operator()(const Geneve& geneve) const { PutGeneve(message, geneve); }
};

struct ChangeWriter {
  nl::Message& message;
  void operator()(std::monostate) const {}
  void operator()(const Vxlan& vxlan) const {
    if (vxlan.local) message.Put(IFLA_VXLAN_LOCAL, *vxlan.local);
    if (vxlan.remote) message.Put(IFLA_VXLAN_GROUP, *vxlan.remote);
  }
  void operator()(const Gre& gre) const { PutGre(message, gre); }
  void operator()(const Geneve& geneve) const { message.Put(IFLA_GENEVE_REMOTE, geneve.remote); }
};

// ---- reading

constexpr int kMaxAttribute = 64;
using Attributes = std::array<nlattr*, kMaxAttribute + 1>;

std::string AddressText(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) != 4) return {};
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, nla_data(attribute), text.data(), text.size());
}

std::string Ipv6Text(const nlattr* attribute) {
  if (attribute == nullptr || nla_len(attribute) != 16) return {};
  std::array<char, INET6_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET6, nla_data(attribute), text.data(), text.size());
}

uint32_t Port(const nlattr* attribute) {
  return attribute != nullptr && nla_len(attribute) >= 2 ? ntohs(nla_get_u16(attribute)) : 0;
}
uint8_t Byte(const nlattr* attribute) {
  return attribute != nullptr && nla_len(attribute) >= 1 ? nla_get_u8(attribute) : uint8_t{0};
}

KindRow ReadVxlan(const Attributes& data) {
  KindRow row;
  row.key = ReadU32(data[IFLA_VXLAN_ID]);
  row.flags = kHasKey;
  row.port = Port(data[IFLA_VXLAN_PORT]);
  row.local = AddressText(data[IFLA_VXLAN_LOCAL]);
  row.remote = AddressText(data[IFLA_VXLAN_GROUP]);
  if (row.remote.empty()) row.remote = Ipv6Text(data[IFLA_VXLAN_GROUP6]);
  return row;
}

KindRow ReadGre(const Attributes& data) {
  KindRow row;
  if (data[IFLA_GRE_IKEY] != nullptr) {
    row.key = ntohl(ReadU32(data[IFLA_GRE_IKEY]));
    row.flags = kHasKey;
  }
  row.local = AddressText(data[IFLA_GRE_LOCAL]);
  row.remote = AddressText(data[IFLA_GRE_REMOTE]);
  return row;
}

KindRow ReadGeneve(const Attributes& data) {
  KindRow row;
  row.key = ReadU32(data[IFLA_GENEVE_ID]);
  row.flags = kHasKey;
  row.port = Port(data[IFLA_GENEVE_PORT]);
  row.remote = AddressText(data[IFLA_GENEVE_REMOTE]);
  if (row.remote.empty()) row.remote = Ipv6Text(data[IFLA_GENEVE_REMOTE6]);
  return row;
}

KindRow ReadTun(const Attributes& data) {
  KindRow row;
  constexpr uint8_t kTypeTun = 1;  // IFF_TUN; a tap is 2
  if (Byte(data[IFLA_TUN_TYPE]) == kTypeTun) row.flags |= kIsTun;
  if (Byte(data[IFLA_TUN_MULTI_QUEUE]) != 0) row.flags |= kMultiQueue;
  if (Byte(data[IFLA_TUN_PERSIST]) != 0) row.flags |= kPersistent;
  return row;
}

KindRow ReadMacvtap(const Attributes& data) {
  KindRow row;
  switch (ReadU32(data[IFLA_MACVLAN_MODE])) {
    case MACVLAN_MODE_PRIVATE:
      row.mode = "private";
      break;
    case MACVLAN_MODE_VEPA:
      row.mode = "vepa";
      break;
    case MACVLAN_MODE_BRIDGE:
      row.mode = "bridge";
      break;
    case MACVLAN_MODE_PASSTHRU:
      row.mode = "passthru";
      break;
    default:
      row.mode = "other";
      break;
  }
  return row;
}

struct Reader {
  std::string_view kind;
  KindRow (*read)(const Attributes&);
};
constexpr Reader kReaders[] = {
    {"vxlan", ReadVxlan},   {"gretap", ReadGre}, {"gre", ReadGre},
    {"geneve", ReadGeneve}, {"tun", ReadTun},    {"macvtap", ReadMacvtap},
};

}  // namespace

void PutKindData(nl::Message& message, const LinkSpec& spec) {
  if (std::holds_alternative<std::monostate>(spec.data)) return;
  nl::Message::Nest nest(message, IFLA_INFO_DATA);
  std::visit(Writer{message}, spec.data);
}

void PutTunnelChange(nl::Message& message, const TunnelChange& change) {
  nl::Message::Nest nest(message, IFLA_INFO_DATA);
  std::visit(ChangeWriter{message}, change.data);
}

KindRow ReadKindData(std::string_view kind, nlattr* data) {
  if (data == nullptr) return {};
  for (const Reader& reader : kReaders) {
    if (reader.kind != kind) continue;
    Attributes attributes{};
    if (nla_parse_nested(attributes.data(), kMaxAttribute, data, nullptr) != 0) return {};
    return reader.read(attributes);
  }
  return {};
}

}  // namespace snnet::rtnl
