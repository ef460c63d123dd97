// SPDX-License-Identifier: Apache-2.0
//
// Whole conversations, with a peer that is not the kernel: dumps, batches with their extended
// acknowledgements, transactions, tables read at one moment, flows. The first byte chooses which.
#include <linux/netfilter/nf_tables.h>
#include <netinet/in.h>

// After netinet/in.h, or both define the same.
#include <linux/netfilter.h>

#include "input.h"
#include "nft/conntrack.h"
#include "nft/ruleset.h"
#include "nft/transaction.h"
#include "nl/batch.h"
#include "nl/dump.h"
#include "rtnl/link.h"
#include "rtnl/link_row.h"

namespace {

using namespace snnet;
using fuzz::Require;

void DumpLinks(nl::Socket& socket) {
  size_t rows = 0;
  const auto dumped = nl::Dump(
      socket, rtnl::DumpLinks, [&rows] { rows = 0; },
      [&rows](nlmsghdr* header) { rows += rtnl::ReadLink(header) ? 1 : 0; });
  if (!dumped) Require(dumped.error().code != 0, "a refusal has a number");
}

void SendThree(nl::Socket& socket) {
  std::vector<nl::Message> messages;
  for (uint32_t ifindex = 1; ifindex <= 3; ++ifindex) messages.push_back(rtnl::GetLink(ifindex));
  const auto acks = nl::SendBatch(socket, messages, [](size_t, nlmsghdr* header) {
    static_cast<void>(rtnl::ReadLink(header));
  });
  if (!acks) return;
  Require((*acks).size() == messages.size(), "each message has its answer");
  for (const nl::Ack& ack : *acks) {
    if (ack) Require(ack->code != 0, "a refusal has a number");
  }
}

void Commit(nl::Socket& socket) {
  const nft::TableName table = {NFPROTO_INET, "fuzz"};
  const std::vector<nft::Command> commands = {
      {table, nft::AddTable{}},
      {table, nft::AddChain{"chain", std::nullopt}},
      {table, nft::AddRule{"chain", {nft::Counter{}, nft::Verdict{NF_DROP, ""}}, "why", false}},
  };
  const nft::Committed committed = nft::Commit(socket, commands, {});
  Require(!committed.failure || committed.handles.empty(), "what failed has no handles");
  for (const auto& [command, handle] : committed.handles) {
    Require(command < commands.size(), "a handle belongs to a command");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view script(reinterpret_cast<const char*>(data) + 1, size - 1);
  auto kernel = fuzz::FakeKernel::Say(script);
  if (!kernel) return 0;
  nl::Socket& socket = kernel->socket();
  switch (data[0] % 6) {
    case 0:
      DumpLinks(socket);
      break;
    case 1:
      SendThree(socket);
      break;
    case 2:
      Commit(socket);
      break;
    case 3:
      static_cast<void>(nft::DumpTable(socket, {NFPROTO_INET, "fuzz"}));
      break;
    case 4:
      static_cast<void>(nft::DumpOverview(socket));
      break;
    default:
      static_cast<void>(nft::DumpFlows(socket, {}));
  }
  return 0;
}
