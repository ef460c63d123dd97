// SPDX-License-Identifier: Apache-2.0
#include "exec/netfilter.h"

#include <linux/netlink.h>

#include "nl/batch.h"

namespace snnet::exec {
namespace {

sys::Result<nl::Socket*> OpenOnce(std::optional<nl::Socket>& slot) {
  if (!slot) {
    auto socket = nl::Socket::Open(NETLINK_NETFILTER);
    if (!socket) return socket.error();
    socket->SetReceiveBuffer(nl::kReceiveBuffer);
    slot.emplace(std::move(*socket));
  }
  return &*slot;
}

bool IsGone(const sys::Error& error) { return error.code == ENOENT; }

// A deletion of several elements as one for each.
std::vector<nft::Command> Split(const nft::Command& command) {
  const auto* all = std::get_if<nft::DeleteElements>(&command.action);
  if (all == nullptr) return {command};
  const size_t stride = nft::Stride(*all);
  std::vector<nft::Command> parts;
  const std::span<const uint8_t> packed = all->packed();
  for (size_t at = 0; at + stride <= packed.size(); at += stride) {
    nft::DeleteElements one;
    one.set = all->set;
    one.key_bytes = all->key_bytes;
    one.data_bytes = all->data_bytes;
    const std::span<const uint8_t> part = packed.subspan(at, stride);
    one.shared = std::make_shared<const nft::Bytes>(part.begin(), part.end());
    parts.push_back({command.table, std::move(one)});
  }
  return parts;
}

}  // namespace

sys::Result<nl::Socket*> Netfilter::Transactions() {
  auto socket = OpenOnce(transactions_);
  if (socket) port_ = (*socket)->port();
  return socket;
}

sys::Result<nl::Socket*> Netfilter::Queries() { return OpenOnce(queries_); }

nft::Committed Netfilter::Commit(const std::vector<nft::Command>& commands) {
  auto socket = Transactions();
  if (!socket) return {.failure = socket.error()};
  return nft::Commit(**socket, commands);
}

sys::Status Netfilter::Undo(const std::vector<nft::Command>& commands, const nft::Handles& added) {
  auto socket = Transactions();
  if (!socket) return socket.error();
  const auto whole = nft::Commit(**socket, commands, added);
  if (!whole.failure) return sys::Ok();
  if (!IsGone(*whole.failure)) return *whole.failure;
  sys::Status outcome = sys::Ok();
  const auto alone = [&](const nft::Command& command) {
    auto done = nft::Commit(**socket, {command}, added);
    if (done.failure && !IsGone(*done.failure) && outcome) outcome = *done.failure;
    return !done.failure.has_value();
  };
  for (const nft::Command& command : commands) {
    if (alone(command)) continue;
    for (const nft::Command& part : Split(command)) alone(part);
  }
  return outcome;
}

sys::Status Netfilter::DeleteFlows(const std::vector<nft::Tuple>& flows) {
  auto socket = Queries();
  if (!socket) return socket.error();
  std::vector<nl::Message> messages;
  messages.reserve(flows.size());
  for (const nft::Tuple& flow : flows) messages.push_back(nft::DeleteFlow(flow));
  auto acks = nl::SendBatch(**socket, messages);
  if (!acks) return acks.error();
  for (const nl::Ack& ack : *acks) {
    if (ack && !IsGone(*ack)) return *ack;
  }
  return sys::Ok();
}

}  // namespace snnet::exec
