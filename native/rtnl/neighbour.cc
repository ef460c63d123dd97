// SPDX-License-Identifier: Apache-2.0
#include "rtnl/neighbour.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <sys/socket.h>

#include <array>

#include "rtnl/address.h"
#include "rtnl/attribute.h"

namespace snnet::rtnl {
namespace {

nl::Message Build(uint16_t type, uint16_t flags, const char* verb, const Neighbour& neighbour) {
  nl::Message message(type, flags,
                      std::string(verb) + Ipv4Text(neighbour.address) + " dev #" +
                          std::to_string(neighbour.ifindex));
  ndmsg header{};
  header.ndm_family = AF_INET;
  header.ndm_ifindex = static_cast<int>(neighbour.ifindex);
  header.ndm_state = NUD_PERMANENT;
  message.Header(header);
  message.Put(NDA_DST, neighbour.address);
  if (type == RTM_NEWNEIGH) {
    message.PutBytes(NDA_LLADDR, neighbour.lladdr.data(), neighbour.lladdr.size());
  }
  return message;
}

nl::Message Build(uint16_t type, uint16_t flags, const char* verb, const Fdb& entry) {
  nl::Message message(type, flags,
                      std::string(verb) + HexText(entry.mac.data(), entry.mac.size()) + " dev #" +
                          std::to_string(entry.ifindex) +
                          (entry.dst ? " dst " + Ipv4Text(*entry.dst) : " master static sticky"));
  ndmsg header{};
  header.ndm_family = AF_BRIDGE;
  header.ndm_ifindex = static_cast<int>(entry.ifindex);
  header.ndm_state = entry.dst ? NUD_PERMANENT | NUD_NOARP : NUD_NOARP;
  header.ndm_flags = entry.dst ? NTF_SELF : NTF_MASTER | NTF_STICKY;
  message.Header(header);
  message.Put(NDA_LLADDR, entry.mac);
  if (entry.dst) message.Put(NDA_DST, *entry.dst);
  return message;
}

nl::Message DumpFamily(uint8_t family, const char* text) {
  nl::Message message(RTM_GETNEIGH, 0, text);
  ndmsg header{};
  header.ndm_family = family;
  message.Header(header);
  return message;
}

}  // namespace

nl::Message AddNeighbour(const Neighbour& neighbour) {
  return Build(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, "ip neighbour replace ", neighbour);
}

nl::Message DeleteNeighbour(const Neighbour& neighbour) {
  return Build(RTM_DELNEIGH, 0, "ip neighbour delete ", neighbour);
}

nl::Message DumpNeighbours() { return DumpFamily(AF_INET, "ip -4 neighbour show"); }

// Appended, never replaced: several remotes share the all-zero MAC.
nl::Message AppendFdb(const Fdb& entry) {
  const uint16_t mode = entry.dst ? NLM_F_APPEND : NLM_F_EXCL;
  return Build(RTM_NEWNEIGH, NLM_F_CREATE | mode, "bridge fdb add ", entry);
}

nl::Message DeleteFdb(const Fdb& entry) {
  return Build(RTM_DELNEIGH, 0, "bridge fdb delete ", entry);
}

nl::Message DumpFdb() { return DumpFamily(AF_BRIDGE, "bridge fdb show"); }

std::optional<NeighbourRow> ReadNeighbour(nlmsghdr* header) {
  std::array<nlattr*, NDA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ndmsg), attributes.data(), NDA_MAX, nullptr) != 0) {
    return std::nullopt;
  }
  const auto* info = static_cast<ndmsg*>(nlmsg_data(header));
  NeighbourRow row;
  row.ifindex = static_cast<uint32_t>(info->ndm_ifindex);
  row.is_permanent = (info->ndm_state & NUD_PERMANENT) != 0;
  if (const nlattr* dst = attributes[NDA_DST]; dst != nullptr && nla_len(dst) == 4) {
    row.address = Ipv4Text(nla_get_u32(dst));
  }
  row.lladdr = ReadHex(attributes[NDA_LLADDR]);
  return row;
}

}  // namespace snnet::rtnl
