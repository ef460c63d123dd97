// SPDX-License-Identifier: Apache-2.0
//
// What `nft` keeps in the kernel's user data, so that it lists what we made as it would its own
// (libnftnl/udata.h): a list of type, length and bytes, one byte each for the first two.
#pragma once

#include <string>

#include "nft/command.h"

namespace snnet::nft {

constexpr size_t kMaxComment = 128;

Bytes CommentOf(const AddRule& rule);
// The comment of a rule that was read; empty where it has none.
std::string ReadComment(const uint8_t* data, size_t size);

// In what order the bytes of a set's keys and data stand.
Bytes ByteOrderOf(const AddSet& set);

}  // namespace snnet::nft
