// SPDX-License-Identifier: Apache-2.0
#include "nft/transaction.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>

#include "nl/batch.h"

namespace snnet::nft {
namespace {

constexpr size_t kReceiveAtOnce = 64 * 1024;
constexpr int kNewRule = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE;

uint64_t HandleOf(nlmsghdr* header) {
  std::array<nlattr*, NFTA_RULE_MAX + 1> attributes{};
  if (nlmsg_parse(header, sizeof(nfgenmsg), attributes.data(), NFTA_RULE_MAX, nullptr) != 0) {
    return 0;
  }
  const nlattr* handle = attributes[NFTA_RULE_HANDLE];
  return handle != nullptr && nla_len(handle) == 8 ? be64toh(nla_get_u64(handle)) : 0;
}

// A send is one piece for the kernel, whose size the socket's buffer limits.
sys::Status Send(nl::Socket& socket, const Writer& writer) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  bool is_enlarged = false;
  while (sendto(socket.fd(), writer.data(), writer.size(), 0,
                reinterpret_cast<const sockaddr*>(&kernel), sizeof kernel) < 0) {
    if (errno == EMSGSIZE && !is_enlarged) {
      socket.SetSendBuffer(static_cast<int>(std::min<size_t>(writer.size() + 4096, 1U << 30)));
      is_enlarged = true;
      continue;
    }
    if (errno != EINTR) return sys::LastError("nft");
  }
  return sys::Ok();
}

// Reads answers until the last command is acknowledged or the whole is refused.
class Answers {
 public:
  Answers(const Batch& batch, const std::vector<Command>& commands, Committed& committed)
      : batch_(batch), commands_(commands), committed_(committed) {}

  bool Take(nlmsghdr* header) {
    const uint32_t number = header->nlmsg_seq - batch_.begin;
    if (number > batch_.owners.size()) return false;  // of an earlier transaction
    if (header->nlmsg_type == kNewRule && number > 0) {
      committed_.handles[batch_.owners[number - 1]] = HandleOf(header);
    }
    if (header->nlmsg_type != NLMSG_ERROR) return false;
    const bool is_refused = nl::ReadCode(header) != 0;
    if (is_refused) Refuse(header, number);
    // What is said of the beginning holds for the whole, and may be all that is said.
    return number == batch_.owners.size() || (is_refused && number == 0);
  }

 private:
  void Refuse(nlmsghdr* header, uint32_t number) {
    // The first counts: what follows may fail only because of it.
    if (committed_.failure) return;
    const bool is_whole = number == 0;
    const size_t command = is_whole ? 0 : batch_.owners[number - 1];
    std::string text = Describe(commands_[command]);
    if (is_whole && commands_.size() > 1) {
      text += " and " + std::to_string(commands_.size() - 1) + " more";
    }
    committed_.failure = nl::ReadError(header, text);
  }

  const Batch& batch_;
  const std::vector<Command>& commands_;
  Committed& committed_;
};

void Receive(nl::Socket& socket, Answers answers, Committed& committed) {
  // Not filled with zeros: most answers are a few bytes.
  const auto buffer = std::make_unique_for_overwrite<char[]>(kReceiveAtOnce);
  for (;;) {
    const ssize_t received = recv(socket.fd(), buffer.get(), kReceiveAtOnce, 0);
    if (received < 0) {
      if (errno == EINTR) continue;
      committed.failure = sys::LastError("read the kernel's answer to: nft");
      committed.is_unknown = true;
      return;
    }
    auto remaining = static_cast<int>(received);
    for (auto* header = reinterpret_cast<nlmsghdr*>(buffer.get()); nlmsg_ok(header, remaining);
         header = nlmsg_next(header, &remaining)) {
      if (answers.Take(header)) return;
    }
  }
}

}  // namespace

Committed Commit(nl::Socket& socket, const std::vector<Command>& commands, const Handles& added) {
  Committed committed;
  const Batch batch = BuildBatch(commands, added, [&socket] { return socket.NextSequence(); });
  if (batch.owners.empty()) return committed;
  if (!batch.writer.IsComplete()) {
    committed.failure = sys::Error{EMSGSIZE, Describe(commands.front())};
    return committed;
  }
  if (auto sent = Send(socket, batch.writer); !sent) {
    committed.failure = sys::Error{sent.error().code, Describe(commands.front())};
    return committed;
  }
  Receive(socket, Answers(batch, commands, committed), committed);
  if (committed.failure) committed.handles.clear();
  return committed;
}

}  // namespace snnet::nft
