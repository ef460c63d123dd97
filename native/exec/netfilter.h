// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>
#include <vector>

#include "nft/conntrack.h"
#include "nft/transaction.h"
#include "nl/socket.h"
#include "sys/result.h"
#include "sys/sysctl.h"

namespace snnet::exec {

// The netfilter side of a namespace: that of the thread which first asks something of it. One
// socket carries every transaction for as long as this lives, since a table may belong to it.
class Netfilter {
 public:
  nft::Committed Commit(const std::vector<nft::Command>& commands);

  // Runs what undoes a transaction. What is gone already is no failure, and keeps nothing else from
  // being undone.
  sys::Status Undo(const std::vector<nft::Command>& commands, const nft::Handles& added);

  // What is not there is a success.
  sys::Status DeleteFlows(const std::vector<nft::Tuple>& flows);

  // How many connection tracking knows, in decimal.
  sys::Result<std::string> CountFlows() { return flow_count_.Read(); }

  // For whoever reads.
  sys::Result<nl::Socket*> Queries();

  // The number under which the kernel knows the socket of the transactions; 0 before the first. Any
  // thread.
  uint32_t port() const { return port_; }

 private:
  sys::Result<nl::Socket*> Transactions();

  std::atomic<uint32_t> port_ = 0;

  std::optional<nl::Socket> transactions_;
  std::optional<nl::Socket> queries_;
  sys::SysctlReader flow_count_{"net/netfilter/nf_conntrack_count"};
};

}  // namespace snnet::exec
