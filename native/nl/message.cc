// SPDX-License-Identifier: Apache-2.0
#include "nl/message.h"

#include <netlink/attr.h>

#include <cstring>
#include <new>

namespace snnet::nl {
namespace {

// The longest message we build is a veth pair with both ends' attributes and a 255-byte alias.
constexpr size_t kMessageSize = 2048;

}  // namespace

Message::Message(uint16_t type, uint16_t flags, std::string text)
    : message_(nlmsg_alloc_size(kMessageSize)), text_(std::move(text)) {
  if (!message_) throw std::bad_alloc();
  if (nlmsg_put(message_.get(), 0, 0, type, 0, NLM_F_REQUEST | flags) == nullptr) {
    throw std::bad_alloc();
  }
}

void Message::PutString(uint16_t attribute, std::string_view value) {
  const std::string terminated(value);
  PutBytes(attribute, terminated.c_str(), terminated.size() + 1);
}

void Message::PutBytes(uint16_t attribute, const void* data, size_t size) {
  if (nla_put(message_.get(), attribute, static_cast<int>(size), data) != 0) complete_ = false;
}

void Message::Append(const void* data, size_t size) {
  void* room = nlmsg_reserve(message_.get(), size, NLMSG_ALIGNTO);
  if (room == nullptr) {
    complete_ = false;
    return;
  }
  std::memcpy(room, data, size);
}

Message::Nest::Nest(Message& message, uint16_t attribute)
    : message_(message), start_(nla_nest_start(message.message_.get(), attribute)) {
  if (start_ == nullptr) message_.complete_ = false;
}

Message::Nest::~Nest() {
  if (start_ != nullptr) nla_nest_end(message_.message_.get(), start_);
}

}  // namespace snnet::nl
