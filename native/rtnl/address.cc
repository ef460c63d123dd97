// SPDX-License-Identifier: Apache-2.0
#include "rtnl/address.h"

#include <arpa/inet.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <array>

namespace snnet::rtnl {
namespace {

nl::Message Build(uint16_t type, uint16_t flags, const char* verb, const Address& address) {
  const std::string cidr = Ipv4Text(address.address) + "/" + std::to_string(address.prefix_length);
  nl::Message message(type, flags,
                      std::string(verb) + cidr + " dev #" + std::to_string(address.ifindex));
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  header.ifa_prefixlen = address.prefix_length;
  header.ifa_index = address.ifindex;
  message.Header(header);
  message.Put(IFA_LOCAL, address.address);
  message.Put(IFA_ADDRESS, address.address);
  if (address.prefix_length < 31) {
    const uint32_t hosts = (1U << (32 - address.prefix_length)) - 1;
    message.Put(IFA_BROADCAST, address.address | htonl(hosts));
  }
  return message;
}

}  // namespace

nl::Message AddAddress(const Address& address) {
  return Build(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, "ip address add ", address);
}

nl::Message DeleteAddress(const Address& address) {
  return Build(RTM_DELADDR, 0, "ip address delete ", address);
}

nl::Message DumpAddresses() {
  nl::Message message(RTM_GETADDR, 0, "ip -4 address show");
  ifaddrmsg header{};
  header.ifa_family = AF_INET;
  message.Header(header);
  return message;
}

std::optional<Address> ReadAddress(nlmsghdr* header) {
  std::array<nlattr*, IFA_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(ifaddrmsg), attributes.data(), IFA_MAX, nullptr) != 0) {
    return std::nullopt;
  }
  const nlattr* local = attributes[IFA_LOCAL];
  if (local == nullptr || nla_len(local) != 4) return std::nullopt;
  const auto* info = static_cast<ifaddrmsg*>(nlmsg_data(header));
  return Address{info->ifa_index, nla_get_u32(local), info->ifa_prefixlen};
}

std::string Ipv4Text(Ipv4 address) {
  std::array<char, INET_ADDRSTRLEN> text{};
  return inet_ntop(AF_INET, &address, text.data(), text.size());
}

}  // namespace snnet::rtnl
