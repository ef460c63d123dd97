// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace snnet::nft {

// Appends nfnetlink messages to one buffer, which goes to the kernel in one piece: a transaction
// may hold tens of thousands of elements. Numbers are written in network order, as nf_tables wants.
class Writer {
 public:
  void BeginMessage(uint16_t type, uint16_t flags, uint32_t sequence, uint8_t family,
                    uint16_t resource = 0);
  void EndMessage();
  // Has the kernel answer the message that ended last.
  void Acknowledge();

  void PutBytes(uint16_t attribute, const void* data, size_t size);
  void PutText(uint16_t attribute, std::string_view text);
  void PutU8(uint16_t attribute, uint8_t value) { PutBytes(attribute, &value, sizeof value); }
  void PutU32(uint16_t attribute, uint32_t value);
  void PutU64(uint16_t attribute, uint64_t value);
  // As it stands: whole attributes that somebody else has put together.
  char* Extend(size_t size);

  // An attribute that holds attributes, closed at the end of the scope. One that grew beyond what a
  // 16-bit length can say makes the whole unsendable.
  class [[nodiscard]] Nest {
   public:
    Nest(Writer& writer, uint16_t attribute);
    ~Nest();
    Nest(const Nest&) = delete;
    Nest& operator=(const Nest&) = delete;

   private:
    Writer& writer_;
    size_t start_;
  };

  void Reserve(size_t size) { bytes_.reserve(size); }
  size_t size() const { return bytes_.size(); }
  const char* data() const { return bytes_.data(); }
  bool IsComplete() const { return complete_; }

 private:
  std::vector<char> bytes_;
  size_t message_ = 0;
  bool complete_ = true;
};

}  // namespace snnet::nft
