// SPDX-License-Identifier: Apache-2.0
#include "nft/ruleset.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>
#include <unordered_set>

#include "nl/batch.h"
#include "nl/dump.h"

namespace snnet::nft {
namespace {

constexpr int kAttempts = 20;

// An attribute of a request.
struct Name {
  uint16_t attribute;
  std::string value;
};

nl::Message Request(int message, uint8_t family, const std::vector<Name>& names,
                    const char* words) {
  std::string text = std::string("nft ") + words;
  for (const Name& name : names) text += " " + name.value;
  nl::Message request(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message), 0, text);
  nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  request.Header(header);
  for (const Name& name : names) request.PutString(name.attribute, name.value);
  return request;
}

// `keep` says whether a row is one of those asked for: older kernels do not filter.
template <auto kRead, typename Row, typename Keep>
sys::Status Collect(nl::Socket& socket, const std::function<nl::Message()>& request,
                    std::vector<Row>& rows, const Keep& keep) {
  return nl::Dump(
      socket, request, [&rows] { rows.clear(); },
      [&](nlmsghdr* header) {
        auto row = kRead(header);
        if (row && keep(*row)) rows.push_back(std::move(*row));
      });
}

bool Is(const TableName& one, const TableName& other) {
  return one.family == other.family && one.name == other.name;
}

// The kernel resumes a dump by counting elements; while it resizes the set's hash table their order
// changes, so that some come twice and others not at all, and no generation says so
// (net/netfilter/nft_set_hash.c nft_rhash_walk).
bool HasDuplicates(const SetRow& set) {
  const size_t key = Padded(set.key_bytes);
  const size_t stride = key + Padded(set.data_bytes);
  if (stride == 0) return false;
  const auto* at = reinterpret_cast<const char*>(set.packed.data());
  const size_t count = set.packed.size() / stride;
  std::unordered_set<std::string_view> seen;
  seen.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    if (!seen.emplace(at + i * stride, key).second) return true;
  }
  return false;
}

sys::Status FillElements(nl::Socket& socket, SetRow& set) {
  const auto request = [&set] {
    return Request(NFT_MSG_GETSETELEM, set.table.family,
                   {{NFTA_SET_ELEM_LIST_TABLE, set.table.name}, {NFTA_SET_ELEM_LIST_SET, set.name}},
                   "list set");
  };
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto read = nl::Dump(
        socket, request,
        [&set] {
          set.packed.clear();
          set.verdicts.clear();
        },
        [&set](nlmsghdr* header) { ReadElements(header, set); });
    if (!read || !HasDuplicates(set)) return read;
    std::this_thread::sleep_for(std::chrono::milliseconds(1 << std::min(attempt, 6)));
  }
  return sys::Error{EINTR, request().text()};
}

// What is in a table; ENOENT where it went meanwhile.
sys::Status FillTable(nl::Socket& socket, TableState& state) {
  const TableName& name = state.table.table;
  const auto is_ours = [&name](const auto& row) { return Is(row.table, name); };
  auto read = Collect<ReadChain>(
      socket, [&] { return Request(NFT_MSG_GETCHAIN, name.family, {}, "list chains"); },
      state.chains, is_ours);
  if (!read) return read;
  read = Collect<ReadSet>(
      socket,
      [&] {
        return Request(NFT_MSG_GETSET, name.family, {{NFTA_SET_TABLE, name.name}}, "list sets");
      },
      state.sets, is_ours);
  if (!read) return read;
  for (SetRow& set : state.sets) {
    if (auto filled = FillElements(socket, set); !filled) return filled;
  }
  return Collect<ReadRule>(
      socket,
      [&] {
        return Request(NFT_MSG_GETRULE, name.family, {{NFTA_RULE_TABLE, name.name}}, "list table");
      },
      state.rules, is_ours);
}

// Reads until no transaction came in between.
template <typename T>
sys::Result<T> ReadAtOneMoment(nl::Socket& socket,
                               const std::function<sys::Result<T>(uint32_t)>& read) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    auto before = Generation(socket);
    if (!before) return before.error();
    auto result = read(*before);
    auto after = Generation(socket);
    if (!after) return after.error();
    if (*after == *before) return result;
  }
  return sys::Error{EINTR, "nft list ruleset"};
}

}  // namespace

sys::Result<uint32_t> Generation(nl::Socket& socket) {
  std::vector<nl::Message> messages;
  messages.push_back(Request(NFT_MSG_GETGEN, AF_UNSPEC, {}, "list ruleset"));
  uint32_t generation = 0;
  auto acks = nl::SendBatch(socket, messages, [&generation](size_t, nlmsghdr* header) {
    generation = ReadGeneration(header).value_or(generation);
  });
  if (!acks) return acks.error();
  if (acks->front()) return *acks->front();
  return generation;
}

sys::Result<std::optional<TableState>> DumpTable(nl::Socket& socket, const TableName& name) {
  using Found = std::optional<TableState>;
  return ReadAtOneMoment<Found>(socket, [&](uint32_t generation) -> sys::Result<Found> {
    std::vector<nl::Message> messages;
    messages.push_back(
        Request(NFT_MSG_GETTABLE, name.family, {{NFTA_TABLE_NAME, name.name}}, "list table"));
    TableState state;
    state.generation = generation;
    auto acks = nl::SendBatch(socket, messages, [&state](size_t, nlmsghdr* header) {
      if (auto row = ReadTable(header)) state.table = std::move(*row);
    });
    if (!acks) return acks.error();
    if (const nl::Ack& refused = acks->front()) {
      if (refused->code == ENOENT) return Found();
      return *refused;
    }
    auto filled = FillTable(socket, state);
    // It went while it was read: the generation says so too.
    if (!filled && filled.error().code == ENOENT) return Found();
    if (!filled) return filled.error();
    return Found(std::move(state));
  });
}

sys::Result<Overview> DumpOverview(nl::Socket& socket) {
  return ReadAtOneMoment<Overview>(socket, [&](uint32_t generation) -> sys::Result<Overview> {
    Overview overview;
    overview.generation = generation;
    const auto all = [](const auto&) { return true; };
    auto read = Collect<ReadTable>(
        socket, [] { return Request(NFT_MSG_GETTABLE, AF_UNSPEC, {}, "list tables"); },
        overview.tables, all);
    if (!read) return read.error();
    read = Collect<ReadChain>(
        socket, [] { return Request(NFT_MSG_GETCHAIN, AF_UNSPEC, {}, "list chains"); },
        overview.chains, all);
    if (!read) return read.error();
    return overview;
  });
}

sys::Result<std::vector<RuleRow>> DumpRules(nl::Socket& socket, const TableName& name,
                                            const std::string& chain) {
  std::vector<RuleRow> rules;
  auto read = Collect<ReadRule>(
      socket,
      [&] {
        return Request(NFT_MSG_GETRULE, name.family,
                       {{NFTA_RULE_TABLE, name.name}, {NFTA_RULE_CHAIN, chain}}, "list chain");
      },
      rules, [&](const RuleRow& row) { return Is(row.table, name) && row.chain == chain; });
  if (!read && read.error().code != ENOENT) return read.error();
  return rules;
}

}  // namespace snnet::nft
