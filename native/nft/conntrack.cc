// SPDX-License-Identifier: Apache-2.0
#include "nft/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "nft/attributes.h"
#include "nl/dump.h"

namespace snnet::nft {
namespace {

std::string Describe(const Tuple& tuple) {
  const auto address = [](uint32_t value) {
    char text[INET_ADDRSTRLEN] = "";
    inet_ntop(AF_INET, &value, text, sizeof text);
    return std::string(text);
  };
  return "conntrack -D -p " + std::to_string(tuple.protocol) + " -s " + address(tuple.source) +
         " -d " + address(tuple.destination) + " --sport " + std::to_string(tuple.source_port) +
         " --dport " + std::to_string(tuple.destination_port);
}

void PutTuple(nl::Message& message, const Tuple& tuple) {
  const nl::Message::Nest nest(message, CTA_TUPLE_ORIG | NLA_F_NESTED);
  {
    const nl::Message::Nest addresses(message, CTA_TUPLE_IP | NLA_F_NESTED);
    message.Put(CTA_IP_V4_SRC, tuple.source);
    message.Put(CTA_IP_V4_DST, tuple.destination);
  }
  const nl::Message::Nest protocol(message, CTA_TUPLE_PROTO | NLA_F_NESTED);
  message.Put(CTA_PROTO_NUM, tuple.protocol);
  if (tuple.protocol == IPPROTO_ICMP) {
    message.Put(CTA_PROTO_ICMP_ID, htons(tuple.source_port));
    message.Put(CTA_PROTO_ICMP_TYPE, static_cast<uint8_t>(tuple.destination_port >> 8));
    message.Put(CTA_PROTO_ICMP_CODE, static_cast<uint8_t>(tuple.destination_port & 0xff));
  } else {
    message.Put(CTA_PROTO_SRC_PORT, htons(tuple.source_port));
    message.Put(CTA_PROTO_DST_PORT, htons(tuple.destination_port));
  }
}

// What CTA_FILTER_ORIG_FLAGS and CTA_FILTER_REPLY_FLAGS ask to compare; the headers do not name
// them (net/netfilter/nf_conntrack_netlink.c, CTA_FILTER_F_*).
constexpr uint32_t kBySource = 1 << 0;
constexpr uint32_t kByDestination = 1 << 1;
constexpr uint32_t kByProtocol = 1 << 3;
constexpr uint32_t kByDestinationPort = 1 << 5;

void PutFilter(nl::Message& message, const FlowFilter& filter) {
  uint32_t original = 0;
  if (filter.source) original |= kBySource;
  if (filter.destination) original |= kByDestination;
  if (filter.protocol) original |= kByProtocol;
  // The kernel reads a port only after its protocol.
  if (filter.protocol && filter.destination_port) original |= kByDestinationPort;
  const uint32_t reply = filter.reply_source ? kBySource : 0;
  if (original == 0 && reply == 0) return;
  if (original != 0) {
    const nl::Message::Nest nest(message, CTA_TUPLE_ORIG | NLA_F_NESTED);
    if (filter.source || filter.destination) {
      const nl::Message::Nest addresses(message, CTA_TUPLE_IP | NLA_F_NESTED);
      if (filter.source) message.Put(CTA_IP_V4_SRC, *filter.source);
      if (filter.destination) message.Put(CTA_IP_V4_DST, *filter.destination);
    }
    if (filter.protocol) {
      const nl::Message::Nest protocol(message, CTA_TUPLE_PROTO | NLA_F_NESTED);
      message.Put(CTA_PROTO_NUM, *filter.protocol);
      if (filter.destination_port) message.Put(CTA_PROTO_DST_PORT, htons(*filter.destination_port));
    }
  }
  if (reply != 0) {
    const nl::Message::Nest nest(message, CTA_TUPLE_REPLY | NLA_F_NESTED);
    const nl::Message::Nest addresses(message, CTA_TUPLE_IP | NLA_F_NESTED);
    message.Put(CTA_IP_V4_SRC, *filter.reply_source);
  }
  const nl::Message::Nest nest(message, CTA_FILTER | NLA_F_NESTED);
  message.Put(CTA_FILTER_ORIG_FLAGS, original);
  message.Put(CTA_FILTER_REPLY_FLAGS, reply);
}

uint16_t ReadPort(const Attributes<CTA_PROTO_MAX>& from, int number) {
  const nlattr* found = from[number];
  return found != nullptr && nla_len(found) >= 2 ? ntohs(nla_get_u16(found)) : uint16_t{0};
}
uint8_t ReadByte(const Attributes<CTA_PROTO_MAX>& from, int number) {
  const nlattr* found = from[number];
  return found != nullptr && nla_len(found) >= 1 ? nla_get_u8(found) : uint8_t{0};
}

Tuple ReadTuple(const nlattr* nest) {
  const Attributes<CTA_TUPLE_MAX> from(nest);
  const Attributes<CTA_IP_MAX> addresses(from[CTA_TUPLE_IP]);
  const Attributes<CTA_PROTO_MAX> protocol(from[CTA_TUPLE_PROTO]);
  Tuple tuple;
  tuple.protocol = ReadByte(protocol, CTA_PROTO_NUM);
  tuple.source = htonl(addresses.U32(CTA_IP_V4_SRC));
  tuple.destination = htonl(addresses.U32(CTA_IP_V4_DST));
  if (tuple.protocol == IPPROTO_ICMP) {
    tuple.source_port = ReadPort(protocol, CTA_PROTO_ICMP_ID);
    tuple.destination_port = static_cast<uint16_t>(ReadByte(protocol, CTA_PROTO_ICMP_TYPE) << 8 |
                                                   ReadByte(protocol, CTA_PROTO_ICMP_CODE));
  } else {
    tuple.source_port = ReadPort(protocol, CTA_PROTO_SRC_PORT);
    tuple.destination_port = ReadPort(protocol, CTA_PROTO_DST_PORT);
  }
  return tuple;
}

std::optional<Flow> ReadFlow(nlmsghdr* header) {
  if (header->nlmsg_type != (NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_NEW)) return std::nullopt;
  const Attributes<CTA_MAX> from(header);
  Flow flow;
  flow.original = ReadTuple(from[CTA_TUPLE_ORIG]);
  flow.reply = ReadTuple(from[CTA_TUPLE_REPLY]);
  flow.status = from.U32(CTA_STATUS);
  flow.mark = from.U32(CTA_MARK);
  const nlattr* zone = from[CTA_ZONE];
  if (zone != nullptr && nla_len(zone) >= 2) flow.original.zone = ntohs(nla_get_u16(zone));
  const uint8_t protocol = flow.original.protocol;
  const bool is_known =
      protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_ICMP;
  if (!is_known || FamilyOf(header) != AF_INET) return std::nullopt;
  return flow;
}

template <typename T>
bool Matches(const std::optional<T>& wanted, T is) {
  return !wanted || *wanted == is;
}

bool Passes(const FlowFilter& filter, const Flow& flow) {
  return Matches(filter.protocol, flow.original.protocol) &&
         Matches(filter.source, flow.original.source) &&
         Matches(filter.destination, flow.original.destination) &&
         Matches(filter.destination_port, flow.original.destination_port) &&
         Matches(filter.reply_source, flow.reply.source);
}

nl::Message FlowRequest(const FlowFilter* filter) {
  nl::Message message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, "conntrack -L -f ipv4");
  nfgenmsg header{};
  header.nfgen_family = AF_INET;
  header.version = NFNETLINK_V0;
  message.Header(header);
  if (filter != nullptr) PutFilter(message, *filter);
  return message;
}

}  // namespace

sys::Result<std::vector<Flow>> DumpFlows(nl::Socket& socket, const FlowFilter& filter) {
  std::vector<Flow> flows;
  const auto dump = [&](const FlowFilter* applied) {
    return nl::Dump(
        socket, [applied] { return FlowRequest(applied); }, [&flows] { flows.clear(); },
        [&](nlmsghdr* header) {
          auto flow = ReadFlow(header);
          if (flow && Passes(filter, *flow)) flows.push_back(*flow);
        });
  };
  auto read = dump(&filter);
  // A kernel that cannot filter so gives all.
  if (!read && (read.error().code == EINVAL || read.error().code == EOPNOTSUPP)) {
    read = dump(nullptr);
  }
  if (!read) return read.error();
  return flows;
}

nl::Message DeleteFlow(const Tuple& tuple) {
  nl::Message message(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_DELETE, 0, Describe(tuple));
  nfgenmsg header{};
  header.nfgen_family = AF_INET;
  header.version = NFNETLINK_V0;
  message.Header(header);
  PutTuple(message, tuple);
  if (tuple.zone != 0) message.Put(CTA_ZONE, htons(tuple.zone));
  return message;
}

}  // namespace snnet::nft
