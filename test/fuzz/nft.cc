// SPDX-License-Identifier: Apache-2.0
//
// What nf_tables says: tables, chains, rules with all their expressions, sets with their elements.
#include "input.h"
#include "nft/rows.h"
#include "nft/user_data.h"

namespace {

using namespace snnet::nft;
using snnet::fuzz::Require;

void Read(nlmsghdr* header, std::optional<SetRow>& set) {
  static_cast<void>(ReadTable(header));
  static_cast<void>(ReadChain(header));
  static_cast<void>(ReadGeneration(header));
  static_cast<void>(ReadRule(header));
  if (auto row = ReadSet(header)) set = std::move(row);
  if (!set) return;
  ReadElements(header, *set);
  const size_t stride = Padded(set->key_bytes) + Padded(set->data_bytes);
  const size_t left = stride == 0 ? set->packed.size() : set->packed.size() % stride;
  Require(left == 0, "the elements of a set are whole");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::optional<SetRow> set;
  snnet::fuzz::ForEachMessage(data, size, [&set](nlmsghdr* header) { Read(header, set); });
  // In memory of its own, as above.
  const std::unique_ptr<uint8_t[]> copy(new uint8_t[size]);
  if (size > 0) std::memcpy(copy.get(), data, size);
  const std::string comment = ReadComment(copy.get(), size);
  Require(comment.find('\0') == std::string::npos, "a comment has no NUL in it");
  return 0;
}
