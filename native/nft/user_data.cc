// SPDX-License-Identifier: Apache-2.0
#include "nft/user_data.h"

#include <cstring>

namespace snnet::nft {
namespace {

constexpr uint8_t kRuleComment = 0;
constexpr uint8_t kSetKeyOrder = 0;
constexpr uint8_t kSetDataOrder = 1;

constexpr uint32_t kHostOrder = 1;
constexpr uint32_t kNetworkOrder = 2;

void Put(Bytes& to, uint8_t type, const void* data, size_t size) {
  to.push_back(type);
  to.push_back(static_cast<uint8_t>(size));
  const auto* bytes = static_cast<const uint8_t*>(data);
  to.insert(to.end(), bytes, bytes + size);
}

void PutOrder(Bytes& to, uint8_t type, const std::vector<FieldType>& fields) {
  const bool is_host_order = fields.size() == 1 && fields.front().is_host_order;
  const uint32_t order = is_host_order ? kHostOrder : kNetworkOrder;
  Put(to, type, &order, sizeof order);
}

}  // namespace

Bytes CommentOf(const AddRule& rule) {
  Bytes to;
  Put(to, kRuleComment, rule.comment.c_str(), rule.comment.size() + 1);
  return to;
}

std::string ReadComment(const uint8_t* data, size_t size) {
  while (size >= 2) {
    const size_t length = data[1];
    if (length + 2 > size) return {};
    if (data[0] == kRuleComment) {
      const auto* text = reinterpret_cast<const char*>(data + 2);
      return {text, strnlen(text, length)};
    }
    data += length + 2;
    size -= length + 2;
  }
  return {};
}

Bytes ByteOrderOf(const AddSet& set) {
  Bytes to;
  PutOrder(to, kSetKeyOrder, set.key);
  if (!set.data.empty()) PutOrder(to, kSetDataOrder, set.data);
  return to;
}

}  // namespace snnet::nft
