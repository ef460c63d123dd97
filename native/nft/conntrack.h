// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "nl/message.h"
#include "nl/socket.h"
#include "sys/result.h"

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

struct Flow {
  Tuple original;
  Tuple reply;
  // IPS_*
  uint32_t status = 0;
  uint32_t mark = 0;
};

// What a flow must be like; what is left out does not matter.
struct FlowFilter {
  std::optional<uint8_t> protocol;
  std::optional<uint32_t> source;
  std::optional<uint32_t> destination;
  std::optional<uint16_t> destination_port;
  // Who answers: behind a DNAT not whom the first packet named.
  std::optional<uint32_t> reply_source;
};

// The flows of TCP, UDP and ICMP over IPv4 that pass the filter; the kernel applies it where it can
// (5.8 and later).
sys::Result<std::vector<Flow>> DumpFlows(nl::Socket& socket, const FlowFilter& filter);

}  // namespace snnet::nft
