// SPDX-License-Identifier: Apache-2.0
#include "nft/writer.h"

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nfnetlink.h>

#include <cstring>
#include <limits>
#include <string>

namespace snnet::nft {

void Writer::BeginMessage(uint16_t type, uint16_t flags, uint32_t sequence, uint8_t family,
                          uint16_t resource) {
  message_ = bytes_.size();
  nlmsghdr header{};
  header.nlmsg_type = type;
  header.nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags);
  header.nlmsg_seq = sequence;
  std::memcpy(Extend(sizeof header), &header, sizeof header);
  nfgenmsg netfilter{};
  netfilter.nfgen_family = family;
  netfilter.version = NFNETLINK_V0;
  netfilter.res_id = htons(resource);
  std::memcpy(Extend(sizeof netfilter), &netfilter, sizeof netfilter);
}

void Writer::EndMessage() {
  const auto length = static_cast<uint32_t>(bytes_.size() - message_);
  std::memcpy(bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

void Writer::Acknowledge() {
  uint16_t flags = 0;
  char* at = bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_flags);
  std::memcpy(&flags, at, sizeof flags);
  flags |= NLM_F_ACK;
  std::memcpy(at, &flags, sizeof flags);
}

char* Writer::Extend(size_t size) {
  const size_t start = bytes_.size();
  bytes_.resize(start + NLMSG_ALIGN(size));  // what pads is zero
  return bytes_.data() + start;
}

void Writer::PutBytes(uint16_t attribute, const void* data, size_t size) {
  const size_t length = NLA_HDRLEN + size;
  if (length > std::numeric_limits<uint16_t>::max()) {
    complete_ = false;
    return;
  }
  const nlattr header{static_cast<uint16_t>(length), attribute};
  char* to = Extend(length);
  std::memcpy(to, &header, sizeof header);
  if (size > 0) std::memcpy(to + NLA_HDRLEN, data, size);
}

void Writer::PutText(uint16_t attribute, std::string_view text) {
  const std::string terminated(text);
  PutBytes(attribute, terminated.c_str(), terminated.size() + 1);
}

void Writer::PutU32(uint16_t attribute, uint32_t value) {
  const uint32_t ordered = htonl(value);
  PutBytes(attribute, &ordered, sizeof ordered);
}

void Writer::PutU64(uint16_t attribute, uint64_t value) {
  const uint64_t ordered = htobe64(value);
  PutBytes(attribute, &ordered, sizeof ordered);
}

Writer::Nest::Nest(Writer& writer, uint16_t attribute)
    : writer_(writer), start_(writer.bytes_.size()) {
  const nlattr header{0, static_cast<uint16_t>(attribute | NLA_F_NESTED)};
  std::memcpy(writer_.Extend(sizeof header), &header, sizeof header);
}

Writer::Nest::~Nest() {
  const size_t length = writer_.bytes_.size() - start_;
  if (length > std::numeric_limits<uint16_t>::max()) writer_.complete_ = false;
  const auto short_length = static_cast<uint16_t>(length);
  std::memcpy(writer_.bytes_.data() + start_, &short_length, sizeof short_length);
}

}  // namespace snnet::nft
