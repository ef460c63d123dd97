// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::sys {

// A tap that this process holds open. Until Persist() it vanishes with its descriptors, which is
// what makes a crash half-way leave nothing.
class Tap {
 public:
  // Fails with EEXIST where the name or the index is taken: TUNSETIFF alone would silently attach
  // to a persistent tap of that name. `socket_fd` is any socket of the namespace.
  static Result<Tap> Create(int socket_fd, const std::string& ifname, uint32_t ifindex,
                            uint32_t queues);

  // From then on only this user, and whoever may change the network, attaches to it by its name.
  Status SetOwner(uint32_t uid);
  Status Persist();
  std::vector<UniqueFd> TakeQueues() { return std::move(queues_); }

 private:
  std::string ifname_;
  std::vector<UniqueFd> queues_;
};

// The name that an index carries in the namespace of `socket_fd`, or the empty string. Takes no
// lock in the kernel (SIOCGIFNAME), so it is the cheap way to see whether an index is free.
std::string NameOfIndex(int socket_fd, uint32_t ifindex);

// The index of a name, or 0.
uint32_t IndexOfName(int socket_fd, const std::string& ifname);

}  // namespace snnet::sys
