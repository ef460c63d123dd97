// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "nl/message.h"

namespace snnet::nft {

// One direction of a flow that connection tracking knows. Addresses stand in network order.
struct Tuple {
  uint8_t protocol = 0;
  uint32_t source = 0;
  uint32_t destination = 0;
  // Of ICMP: the identifier, and type and code in one.
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint16_t zone = 0;
};

// The flow whose original direction this is.
nl::Message DeleteFlow(const Tuple& tuple);

}  // namespace snnet::nft
