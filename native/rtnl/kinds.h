// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nl/message.h"
#include "rtnl/link.h"

namespace snnet::rtnl {

// Writes the attributes that only this kind of link has (IFLA_INFO_DATA).
void PutKindData(nl::Message& message, const LinkSpec& spec);

// Writes what the kernel lets change of a tunnel that is there; it refuses the rest even unchanged.
void PutTunnelChange(nl::Message& message, const TunnelChange& change);

// What a kind reads back; text fields stay empty where the kind has none.
struct KindRow {
  uint32_t key = 0;
  uint32_t port = 0;
  uint32_t flags = 0;  // kHasKey …
  std::string local;
  std::string remote;
  std::string mode;
};
constexpr uint32_t kHasKey = 1;
constexpr uint32_t kMultiQueue = 2;
constexpr uint32_t kPersistent = 4;
constexpr uint32_t kIsTun = 8;
// Of a link of any kind: what its row has where it crosses to JS, so that those without pay
// nothing.
constexpr uint32_t kHasAltNames = 16;
constexpr uint32_t kHasEnds = 32;  // local and remote
constexpr uint32_t kHasMode = 64;
constexpr uint32_t kKindAsBefore = 128;  // the kind of the row before it in the table
constexpr uint32_t kTakesAdvertisements = 256;
constexpr uint32_t kWaitsForPeer = 512;

KindRow ReadKindData(std::string_view kind, nlattr* data);

}  // namespace snnet::rtnl
