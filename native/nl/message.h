// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netlink/msg.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace snnet::nl {

// One netlink message being built. It says in `text()` what it asks for, in the words of `ip`.
class Message {
 public:
  Message(uint16_t type, uint16_t flags, std::string text);

  // The fixed header that follows nlmsghdr (ifinfomsg, ifaddrmsg, …).
  template <typename T>
  void Header(const T& header) {
    Append(&header, sizeof header);
  }
  template <typename T>
  void Put(uint16_t attribute, const T& value) {
    PutBytes(attribute, &value, sizeof value);
  }
  void PutString(uint16_t attribute, std::string_view value);
  void PutBytes(uint16_t attribute, const void* data, size_t size);

  // An attribute that holds attributes; it is closed at the end of the scope, which must come
  // before the message is returned or moved.
  class [[nodiscard]] Nest {
   public:
    Nest(Message& message, uint16_t attribute);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Message& message_;
    nlattr* start_;
  };

  nlmsghdr* header() const { return nlmsg_hdr(message_.get()); }
  const std::string& text() const { return text_; }
  // False when something did not fit: such a message must not be sent.
  bool IsComplete() const { return complete_; }

 private:
  struct Free {
    void operator()(nl_msg* message) const noexcept { nlmsg_free(message); }
  };

  void Append(const void* data, size_t size);

  std::unique_ptr<nl_msg, Free> message_;
  std::string text_;
  bool complete_ = true;
};

}  // namespace snnet::nl
