// SPDX-License-Identifier: Apache-2.0
#include "exec/step_messages.h"

namespace snnet::exec {
namespace {

using Messages = std::vector<nl::Message>;

// A link without IPv6 link-local address must not be up before that is set: the kernel makes the
// address when it comes up (net/ipv6/addrconf.c addrconf_notify).
bool ComesUpLast(const rtnl::LinkAttributes& attributes) {
  return attributes.no_ipv6_link_local && attributes.up.value_or(false);
}

void SetUp(Messages& messages, uint32_t ifindex, bool up) {
  rtnl::LinkAttributes attributes;
  attributes.up = up;
  messages.push_back(rtnl::ChangeLink(ifindex, attributes));
}

void PutAltName(Messages& messages, uint32_t ifindex, const rtnl::LinkAttributes& attributes) {
  if (attributes.alt_name) messages.push_back(rtnl::AddAltName(ifindex, *attributes.alt_name));
}

void PutPort(Messages& messages, uint32_t ifindex, const rtnl::LinkAttributes& attributes) {
  // A link that leaves its bridge leaves what it was allowed there.
  const bool leaves = attributes.master == 0U;
  if (attributes.hairpin && !leaves) {
    messages.push_back(rtnl::ChangePort(ifindex, *attributes.hairpin));
  }
}

struct Builder {
  Messages& messages;
  const OtherNamespaces& others;

  void operator()(const rtnl::LinkSpec& spec) const {
    rtnl::LinkSpec first = spec;
    if (ComesUpLast(spec.attributes)) first.attributes.up.reset();
    if (auto* peer = std::get_if<rtnl::VethPeer>(&first.data)) {
      peer->netns_fd = others.fd(peer->netns);
    }
    messages.push_back(rtnl::CreateLink(first));
    if (auto follow = rtnl::FollowLink(spec.ifindex, spec.attributes)) {
      messages.push_back(std::move(*follow));
    }
    PutAltName(messages, spec.ifindex, spec.attributes);
    if (ComesUpLast(spec.attributes)) SetUp(messages, spec.ifindex, true);
    PutPort(messages, spec.ifindex, spec.attributes);
  }
  void operator()(const CreateTap& tap) const {
    rtnl::LinkAttributes first = tap.attributes;
    first.up.reset();
    messages.push_back(rtnl::ChangeLink(tap.ifindex, first));
    PutAltName(messages, tap.ifindex, tap.attributes);
    PutPort(messages, tap.ifindex, tap.attributes);
  }
  void operator()(const SetLink& set) const {
    rtnl::LinkAttributes rest = set.attributes;
    // The kernel sets these last (net/core/rtnetlink.c do_setlink); they are to hold when it comes
    // up.
    const bool comes_up_last = !rest.ipv4.empty() && rest.up.value_or(false);
    if (comes_up_last) rest.up.reset();
    if (rest.ifname && rest.up == false) {
      // A message of its own: before Linux 6.2 a link that is up keeps its name.
      rest.up.reset();
      SetUp(messages, set.ifindex, false);
    }
    messages.push_back(rtnl::ChangeLink(set.ifindex, rest));
    if (comes_up_last) SetUp(messages, set.ifindex, true);
    PutPort(messages, set.ifindex, set.attributes);
  }
  void operator()(const rtnl::TunnelChange& change) const {
    messages.push_back(rtnl::ChangeTunnel(change));
  }
  void operator()(const DeleteLinks&) const {}
  void operator()(const SetSysctl&) const {}
  void operator()(const Transaction&) const {}
  void operator()(const DeleteFlows&) const {}
  void operator()(const Change<rtnl::Address>& change) const {
    messages.push_back(change.add ? rtnl::AddAddress(change.entry)
                                  : rtnl::DeleteAddress(change.entry));
  }
  void operator()(const Change<rtnl::Route>& change) const {
    messages.push_back(change.add ? rtnl::AddRoute(change.entry) : rtnl::DeleteRoute(change.entry));
  }
  void operator()(const Change<rtnl::Neighbour>& change) const {
    messages.push_back(change.add ? rtnl::AddNeighbour(change.entry)
                                  : rtnl::DeleteNeighbour(change.entry));
  }
  void operator()(const Change<rtnl::Fdb>& change) const {
    messages.push_back(change.add ? rtnl::AppendFdb(change.entry) : rtnl::DeleteFdb(change.entry));
  }
};

}  // namespace

nl::Message RaiseTap(const CreateTap& tap) {
  rtnl::LinkAttributes attributes;
  attributes.up = tap.attributes.up;
  return rtnl::ChangeLink(tap.ifindex, attributes);
}

std::vector<nl::Message> MessagesFor(const Step& step, const OtherNamespaces& others) {
  Messages messages;
  std::visit(Builder{messages, others}, step.action);
  return messages;
}

}  // namespace snnet::exec
