// SPDX-License-Identifier: Apache-2.0
#include "rtnl/attribute.h"

#include <cstring>
#include <string_view>

namespace snnet::rtnl {

uint32_t ReadU32(const nlattr* attribute) {
  return attribute != nullptr && nla_len(attribute) >= 4 ? nla_get_u32(attribute) : 0;
}

std::string ReadText(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  const auto* data = static_cast<const char*>(nla_data(attribute));
  return {data, strnlen(data, static_cast<size_t>(nla_len(attribute)))};
}

std::string ReadHex(const nlattr* attribute) {
  if (attribute == nullptr) return {};
  return HexText(static_cast<const uint8_t*>(nla_data(attribute)),
                 static_cast<size_t>(nla_len(attribute)));
}

std::string HexText(const uint8_t* bytes, size_t length) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(length * 3);
  for (size_t i = 0; i < length; ++i) {
    if (i > 0) text += ':';
    text += kDigits[bytes[i] >> 4];
    text += kDigits[bytes[i] & 15];
  }
  return text;
}

}  // namespace snnet::rtnl
