// SPDX-License-Identifier: Apache-2.0
#include "nft/conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <netinet/in.h>
#include <sys/socket.h>

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

}  // namespace

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
