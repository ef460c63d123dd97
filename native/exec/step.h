// SPDX-License-Identifier: Apache-2.0
//
// A plan as the executor knows it: steps, each with its inverse. They cross from the JS thread to
// the handle's threads as plain values.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "nft/command.h"
#include "nft/conntrack.h"
#include "rtnl/address.h"
#include "rtnl/link.h"
#include "rtnl/neighbour.h"
#include "rtnl/route.h"

namespace snnet::exec {

struct CreateTap {
  std::string ifname;
  uint32_t ifindex = 0;
  uint32_t queues = 1;
  bool hand_out = false;
  // A user's number; without one, anybody who can open /dev/net/tun attaches to it.
  std::optional<uint32_t> owner;
  rtnl::LinkAttributes attributes;
};
struct SetLink {
  uint32_t ifindex = 0;
  rtnl::LinkAttributes attributes;
};
// Deleted only if the kernel shows it with this alias, or with this name and no alias.
struct DoomedLink {
  uint32_t ifindex = 0;
  std::string ifname;
  std::string alias;
};
// What a retired bridge carries until it is gone, in place of its own alias.
constexpr const char* kTrashAlias = "trash";
struct RetiredBridge {
  DoomedLink link;
  std::string trash_name;
};
struct DeleteLinks {
  std::vector<DoomedLink> links;
  std::vector<RetiredBridge> retire;
};
template <typename T>
struct Change {
  bool add = true;
  T entry;
};
struct SetSysctl {
  std::string name;
  std::string value;
};
// Changes of nf_tables that are done together or not at all.
struct Transaction {
  std::vector<nft::Command> commands;
};
struct DeleteFlows {
  std::vector<nft::Tuple> flows;
};

using Action = std::variant<rtnl::LinkSpec, CreateTap, SetLink, rtnl::TunnelChange, DeleteLinks,
                            Change<rtnl::Address>, Change<rtnl::Route>, Change<rtnl::Neighbour>,
                            Change<rtnl::Fdb>, SetSysctl, Transaction, DeleteFlows>;

struct Step {
  Action action;
  // Errors that mean "it is so already".
  std::vector<int> tolerate;
  // Another namespace, where it is done: a path. Empty: the handle's own.
  std::string netns;
};

struct PlanStep {
  Step step;
  std::optional<Step> undo;
};

// Makes a plan fail, or the process die, at one of its steps: how the tests reach every line of the
// rollback and every instant of a crash.
struct Fault {
  // kLoseAnswer: it is done, and what the kernel says of it gets lost.
  enum class Kind { kFail, kLoseAnswer, kKillBefore, kKillAfter };
  size_t step = 0;
  Kind kind = Kind::kFail;
  int error = 0;
};

struct Plan {
  std::vector<PlanStep> steps;
  std::optional<Fault> fault;
};

}  // namespace snnet::exec
