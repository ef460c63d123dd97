// SPDX-License-Identifier: Apache-2.0
//
// Writes what the kernel says in the network namespace that it runs in, as inputs of the fuzzers:
// `capture DIRECTORY` makes DIRECTORY/{rtnl,nft,answers}/<number>. make-corpus.mjs sees to it that
// there is something to be said.
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <sys/stat.h>

// After netinet/in.h, or both define the same.
#include <linux/netfilter.h>

#include <functional>
#include <string>
#include <vector>

#include "input.h"
#include "nft/batch.h"
#include "nft/rows.h"
#include "nl/message.h"
#include "rtnl/address.h"
#include "rtnl/link.h"
#include "rtnl/neighbour.h"
#include "rtnl/route.h"

namespace {

using namespace snnet;
using Datagrams = std::vector<std::string>;

// The first byte of an input of `answers`.
enum class Talk : char {
  kDump = 0,
  kBatch = 1,
  kCommit = 2,
  kTable = 3,
  kOverview = 4,
  kFlows = 5
};

class Output {
 public:
  explicit Output(std::string directory) : directory_(std::move(directory)) {
    for (const char* kind : {"rtnl", "nft", "answers"}) {
      mkdir((directory_ + "/" + kind).c_str(), 0777);
    }
  }
  void Write(const std::string& kind, std::string_view bytes) {
    const std::string path = directory_ + "/" + kind + "/" + std::to_string(++count_);
    const sys::UniqueFd fd(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    fuzz::Require(write(fd.get(), bytes.data(), bytes.size()) >= 0, "the output can be written");
  }
  // Each message by itself.
  void WriteMessages(const std::string& kind, const Datagrams& datagrams) {
    for (const std::string& datagram : datagrams) {
      const auto* data = reinterpret_cast<const uint8_t*>(datagram.data());
      fuzz::ForEachMessage(data, datagram.size(), [&](nlmsghdr* header) {
        if (header->nlmsg_type < NLMSG_MIN_TYPE) return;
        Write(kind, {reinterpret_cast<const char*>(header), header->nlmsg_len});
      });
    }
  }
  void WriteTalk(Talk talk, const Datagrams& datagrams) {
    std::string script(1, static_cast<char>(talk));
    for (const std::string& datagram : datagrams) {
      script += static_cast<char>(datagram.size() >> 8 & 0xff);
      script += static_cast<char>(datagram.size() & 0xff);
      script += datagram;
    }
    Write("answers", script);
  }

 private:
  std::string directory_;
  int count_ = 0;
};

// All that is answered at once: the kernel answers before send returns, a dump as it is read.
Datagrams Receive(nl::Socket& socket) {
  Datagrams datagrams;
  std::vector<char> buffer(1 << 16);
  for (;;) {
    const ssize_t count = recv(socket.fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count <= 0) return datagrams;
    datagrams.emplace_back(buffer.data(), static_cast<size_t>(count));
  }
}

nl::Socket Open(int protocol) {
  auto socket = nl::Socket::Open(protocol);
  fuzz::Require(static_cast<bool>(socket), "there is a socket");
  return std::move(*socket);
}

Datagrams Ask(int protocol, nl::Message message, uint16_t flags) {
  nl::Socket socket = Open(protocol);
  nlmsghdr* header = message.header();
  header->nlmsg_flags |= flags;
  header->nlmsg_seq = socket.NextSequence();
  fuzz::Require(send(socket.fd(), header, header->nlmsg_len, 0) > 0, "it can be asked");
  return Receive(socket);
}

void CaptureRoutes(Output& output) {
  using Request = nl::Message (*)();
  for (const Request request : {rtnl::DumpLinks, rtnl::DumpAddresses, rtnl::DumpRoutes,
                                rtnl::DumpNeighbours, rtnl::DumpFdb}) {
    const Datagrams datagrams = Ask(NETLINK_ROUTE, request(), NLM_F_DUMP);
    output.WriteMessages("rtnl", datagrams);
    output.WriteTalk(Talk::kDump, datagrams);
  }
}

nl::Message Ask(int message, uint8_t family) {
  nl::Message request(static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message), 0, "nft");
  nfgenmsg header{};
  header.nfgen_family = family;
  request.Header(header);
  return request;
}

void CaptureElements(Output& output, const Datagrams& sets) {
  for (const std::string& datagram : sets) {
    const auto* data = reinterpret_cast<const uint8_t*>(datagram.data());
    fuzz::ForEachMessage(data, datagram.size(), [&](nlmsghdr* header) {
      const auto set = nft::ReadSet(header);
      if (!set) return;
      nl::Message request = Ask(NFT_MSG_GETSETELEM, set->table.family);
      request.PutString(NFTA_SET_ELEM_LIST_TABLE, set->table.name);
      request.PutString(NFTA_SET_ELEM_LIST_SET, set->name);
      // The set, then its elements: they mean nothing without it.
      for (const std::string& elements : Ask(NETLINK_NETFILTER, std::move(request), NLM_F_DUMP)) {
        std::string both(reinterpret_cast<const char*>(header), NLMSG_ALIGN(header->nlmsg_len));
        output.Write("nft", both + elements);
      }
    });
  }
}

void CaptureRuleset(Output& output) {
  Datagrams overview;
  for (const int message : {NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETRULE}) {
    const Datagrams datagrams = Ask(NETLINK_NETFILTER, Ask(message, AF_UNSPEC), NLM_F_DUMP);
    output.WriteMessages("nft", datagrams);
    overview.insert(overview.end(), datagrams.begin(), datagrams.end());
    if (message == NFT_MSG_GETSET) CaptureElements(output, datagrams);
  }
  const Datagrams generation = Ask(NETLINK_NETFILTER, Ask(NFT_MSG_GETGEN, AF_UNSPEC), NLM_F_ACK);
  output.WriteMessages("nft", generation);
  overview.insert(overview.begin(), generation.begin(), generation.end());
  output.WriteTalk(Talk::kOverview, overview);
  output.WriteTalk(Talk::kTable, overview);
}

void CaptureFlows(Output& output) {
  nl::Message request(NFNL_SUBSYS_CTNETLINK << 8 | IPCTNL_MSG_CT_GET, 0, "conntrack -L");
  nfgenmsg header{};
  header.nfgen_family = AF_INET;
  request.Header(header);
  output.WriteTalk(Talk::kFlows, Ask(NETLINK_NETFILTER, std::move(request), NLM_F_DUMP));
}

// What the kernel refuses, with its words: three at once, with and without the request repeated.
void CaptureRefusals(Output& output) {
  for (const bool is_capped : {true, false}) {
    nl::Socket socket = Open(NETLINK_ROUTE);
    const int value = is_capped ? 1 : 0;
    setsockopt(socket.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &value, sizeof value);
    rtnl::LinkSpec odd;
    odd.ifname = "odd";
    odd.ifindex = 70'000;
    odd.kind = "vxlan";
    odd.data = rtnl::Vxlan{.vni = 1U << 30, .port = 1};
    rtnl::LinkAttributes attributes;
    attributes.mtu = 1;
    const std::array<nl::Message, 3> refused = {
        rtnl::CreateLink(odd), rtnl::ChangeLink(1, attributes), rtnl::AddAddress({99'999, 1, 24})};
    for (const nl::Message& message : refused) {
      message.header()->nlmsg_flags |= NLM_F_ACK;
      message.header()->nlmsg_seq = socket.NextSequence();
      const auto* header = message.header();
      fuzz::Require(send(socket.fd(), header, header->nlmsg_len, 0) > 0, "it can be asked");
    }
    output.WriteTalk(Talk::kBatch, Receive(socket));
  }
}

void CaptureTransaction(Output& output, uint32_t verdict) {
  nl::Socket socket = Open(NETLINK_NETFILTER);
  const nft::TableName table = {NFPROTO_INET, "fuzz"};
  const std::vector<nft::Command> commands = {
      {table, nft::AddTable{}},
      {table, nft::AddChain{"chain", std::nullopt}},
      {table, nft::AddRule{"chain",
                           {nft::Counter{}, nft::Verdict{static_cast<int32_t>(verdict), "nowhere"}},
                           "why",
                           false}},
  };
  const nft::Batch batch =
      nft::BuildBatch(commands, {}, [&socket] { return socket.NextSequence(); });
  const bool is_sent = send(socket.fd(), batch.writer.data(), batch.writer.size(), 0) > 0;
  fuzz::Require(is_sent, "a transaction can be sent");
  output.WriteTalk(Talk::kCommit, Receive(socket));
}

}  // namespace

int main(int count, char** arguments) {
  fuzz::Require(count == 2, "usage: capture DIRECTORY");
  Output output(arguments[1]);
  CaptureRoutes(output);
  CaptureRuleset(output);
  CaptureFlows(output);
  CaptureRefusals(output);
  CaptureTransaction(output, static_cast<uint32_t>(NFT_JUMP));
  CaptureTransaction(output, NF_DROP);
  return 0;
}
