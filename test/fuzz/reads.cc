// SPDX-License-Identifier: Apache-2.0
//
// Stands in for libnl's functions that read a number: libnl is not built with the sanitizers, so
// that reading past the end of an attribute would go unseen there.
#include <netlink/attr.h>

#include "input.h"

namespace {

template <typename T>
T Read(const nlattr* attribute) {
  const bool is_long_enough = nla_len(attribute) >= static_cast<int>(sizeof(T));
  snnet::fuzz::Require(is_long_enough, "nothing is read past the end of an attribute");
  T value = 0;
  std::memcpy(&value, nla_data(attribute), sizeof value);
  return value;
}

}  // namespace

extern "C" {
uint8_t nla_get_u8(const nlattr* attribute) { return Read<uint8_t>(attribute); }
uint16_t nla_get_u16(const nlattr* attribute) { return Read<uint16_t>(attribute); }
uint32_t nla_get_u32(const nlattr* attribute) { return Read<uint32_t>(attribute); }
uint64_t nla_get_u64(const nlattr* attribute) { return Read<uint64_t>(attribute); }
}
