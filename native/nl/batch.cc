// SPDX-License-Identifier: Apache-2.0
#include "nl/batch.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <string_view>

namespace snnet::nl {
namespace {

// The default send buffer admits 212,948 bytes in one sendmsg; stay below it.
constexpr size_t kMaxSend = 192 * 1024;
constexpr size_t kReceiveAtOnce = 64 * 1024;

// Receives until the last message of [first, last] is acknowledged.
sys::Status CollectAcks(Socket& socket, std::vector<Message>& messages, size_t first, size_t last,
                        std::vector<Ack>& acks,
                        const std::function<void(size_t, nlmsghdr*)>& on_reply) {
  const uint32_t first_sequence = messages[first].header()->nlmsg_seq;
  std::vector<char> buffer(kReceiveAtOnce);
  for (;;) {
    const ssize_t received = recv(socket.fd(), buffer.data(), buffer.size(), 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      return sys::LastError("read the kernel's answer to: " + messages[last].text());
    }
    auto remaining = static_cast<int>(received);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(header, remaining);
         header = nlmsg_next(header, &remaining)) {
      const size_t index = first + (header->nlmsg_seq - first_sequence);
      if (index < first || index > last) continue;  // an answer to an earlier, failed exchange
      if (header->nlmsg_type != NLMSG_ERROR) {
        if (on_reply) on_reply(index, header);
        continue;
      }
      if (ReadCode(header) != 0) acks[index] = ReadError(header, messages[index].text());
      if (index == last) return sys::Ok();
    }
  }
}

sys::Status SendPart(Socket& socket, std::vector<Message>& messages, size_t first, size_t last) {
  std::vector<iovec> parts;
  for (size_t i = first; i <= last; ++i) {
    nlmsghdr* header = messages[i].header();
    header->nlmsg_seq = socket.NextSequence();
    if (i == last) header->nlmsg_flags |= NLM_F_ACK;
    parts.push_back({header, NLMSG_ALIGN(header->nlmsg_len)});
  }
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  msghdr message{};
  message.msg_name = &kernel;
  message.msg_namelen = sizeof kernel;
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  while (sendmsg(socket.fd(), &message, 0) < 0) {
    if (errno != EINTR) return sys::LastError("send: " + messages[first].text());
  }
  return sys::Ok();
}

}  // namespace

int ReadCode(const nlmsghdr* header) {
  constexpr int kMaxErrno = 4095;
  if (nlmsg_datalen(header) < static_cast<int>(sizeof(int))) return EBADMSG;
  const int said = *static_cast<const int*>(nlmsg_data(header));
  return said <= 0 && said >= -kMaxErrno ? -said : EBADMSG;
}

sys::Error ReadError(nlmsghdr* header, const std::string& request) {
  sys::Error error{ReadCode(header), request};
  const auto* body = static_cast<nlmsgerr*>(nlmsg_data(header));
  const int length = nlmsg_datalen(header);
  const bool says_more = (header->nlmsg_flags & NLM_F_ACK_TLVS) != 0;
  if (!says_more || length < static_cast<int>(sizeof *body)) return error;
  // With NETLINK_CAP_ACK the attributes follow the bare nlmsgerr, otherwise the request.
  size_t skip = sizeof *body;
  if ((header->nlmsg_flags & NLM_F_CAPPED) == 0) {
    const size_t request_length = body->msg.nlmsg_len;
    if (request_length < sizeof(nlmsghdr) || request_length > header->nlmsg_len) return error;
    skip += request_length - sizeof(nlmsghdr);
  }
  std::array<nlattr*, NLMSGERR_ATTR_MAX + 1> attributes{};
  if (nlmsg_parse(header, static_cast<int>(skip), attributes.data(), NLMSGERR_ATTR_MAX, nullptr) !=
      0) {
    return error;
  }
  if (nlattr* text = attributes[NLMSGERR_ATTR_MSG]) {
    const std::string_view raw(static_cast<char*>(nla_data(text)),
                               static_cast<size_t>(nla_len(text)));
    error.extack = raw.substr(0, raw.find('\0'));
  }
  const nlattr* offset = attributes[NLMSGERR_ATTR_OFFS];
  if (offset != nullptr && nla_len(offset) >= 4) {
    error.offset = static_cast<int>(nla_get_u32(offset));
  }
  return error;
}

sys::Result<std::vector<Ack>> SendBatch(Socket& socket, std::vector<Message>& messages,
                                        const std::function<void(size_t, nlmsghdr*)>& on_reply) {
  std::vector<Ack> acks(messages.size());
  const auto not_sent = [&](size_t first, const sys::Error& why) {
    std::fill(acks.begin() + static_cast<std::ptrdiff_t>(first), acks.end(), why);
    return acks;
  };
  for (const Message& message : messages) {
    if (!message.IsComplete()) return not_sent(0, {EMSGSIZE, message.text()});
  }
  // One iovec for each message: the kernel takes at most IOV_MAX (1024) of them.
  constexpr size_t kMaxParts = 1024;
  for (size_t first = 0; first < messages.size();) {
    size_t last = first;
    size_t bytes = NLMSG_ALIGN(messages[first].header()->nlmsg_len);
    while (last + 1 < messages.size() && last + 1 - first < kMaxParts) {
      const size_t next = NLMSG_ALIGN(messages[last + 1].header()->nlmsg_len);
      if (bytes + next > kMaxSend) break;
      bytes += next;
      ++last;
    }
    if (auto sent = SendPart(socket, messages, first, last); !sent) {
      return not_sent(first, sent.error());
    }
    auto collected = CollectAcks(socket, messages, first, last, acks, on_reply);
    if (!collected) return collected.error();
    first = last + 1;
  }
  return acks;
}

}  // namespace snnet::nl
