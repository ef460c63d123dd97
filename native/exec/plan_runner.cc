// SPDX-License-Identifier: Apache-2.0
#include "exec/plan_runner.h"

#include <linux/netlink.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <set>

#include "exec/step_messages.h"
#include "exec/step_traits.h"
#include "nl/batch.h"
#include "sys/sysctl.h"

namespace snnet::exec {
namespace {

bool FailsAt(const std::optional<Fault>& fault, size_t step) {
  return fault && fault->kind == Fault::Kind::kFail && fault->step == step;
}
bool LosesAnswer(const std::optional<Fault>& fault, size_t first, size_t end) {
  return fault && fault->kind == Fault::Kind::kLoseAnswer && fault->step >= first &&
         fault->step < end;
}
sys::Error Injected(const std::optional<Fault>& fault) { return {fault->error, "injected fault"}; }
void DieIf(const std::optional<Fault>& fault, Fault::Kind kind, size_t step) {
  if (fault && fault->kind == kind && fault->step == step) kill(getpid(), SIGKILL);
}

bool IsTransaction(const PlanStep& planned) {
  return std::holds_alternative<Transaction>(planned.step.action);
}

// How far a fault that kills lets the segment [first, end) go.
size_t EndBeforeDeath(const std::optional<Fault>& fault, size_t first, size_t end) {
  const bool dies =
      fault && (fault->kind == Fault::Kind::kKillBefore || fault->kind == Fault::Kind::kKillAfter);
  if (!dies) return end;
  const size_t stop = fault->step + (fault->kind == Fault::Kind::kKillAfter ? 1 : 0);
  return stop > first && stop < end ? stop : end;
}

}  // namespace

struct PlanRunner::Progress {
  const Plan& plan;
  RunOutcome outcome = {};
  std::map<size_t, sys::Tap> taps = {};
  // Steps that are decided before their messages are sent.
  std::set<size_t> settled = {};
  // Steps that the kernel did not want.
  std::set<size_t> refused = {};
  OtherNamespaces others = {};

  // A step got this error: tolerated, or the end of the plan. The first step in the plan's order
  // counts.
  void Refuse(size_t step, sys::Error error) {
    settled.insert(step);
    if (Tolerates(plan.steps[step].step, error.code)) {
      outcome.tolerated.push_back(step);
      return;
    }
    refused.insert(step);
    if (!outcome.failure || step < outcome.failure->step) {
      outcome.failure = StepFailure{std::move(error), step};
    }
  }

  // Deletions that were refused are undone too: their inverse finds what is there.
  void UndoRefusedRemovals() {
    std::vector<size_t>& done = outcome.done;
    for (const size_t step : refused) {
      if (!IsRemoval(plan.steps[step].step.action)) continue;
      const auto place = std::lower_bound(done.begin(), done.end(), step);
      if (place == done.end() || *place != step) done.insert(place, step);
    }
  }
};

sys::Result<PlanRunner> PlanRunner::Open(Netfilter& netfilter) {
  auto socket = nl::Socket::Open(NETLINK_ROUTE);
  if (!socket) return socket.error();
  sys::UniqueFd probe(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!probe) return sys::LastError("socket");
  socket->SetReceiveBuffer(nl::kReceiveBuffer);
  return PlanRunner(std::move(*socket), std::move(probe), netfilter);
}

RunOutcome PlanRunner::Run(const Plan& plan) {
  Progress progress{plan};
  const size_t count = plan.steps.size();
  if (!OpenOthers(progress)) return std::move(progress.outcome);
  for (size_t next = 0; next < count && !progress.outcome.failure;) {
    DieIf(plan.fault, Fault::Kind::kKillBefore, next);
    if (IsDeletion(plan.steps[next])) {
      if (FailsAt(plan.fault, next)) {
        progress.Refuse(next, sys::Error{plan.fault->error, "ip link delete"});
      }
      break;
    }
    const std::string& netns = plan.steps[next].step.netns;
    if (netns.empty() && IsAlone(plan.steps[next].step.action)) {
      RunAlone(progress, next);
      DieIf(plan.fault, Fault::Kind::kKillAfter, next);
      ++next;
      continue;
    }
    size_t end = next;
    while (end < count && BelongsTogether(plan.steps[end], netns)) ++end;
    const size_t cut = EndBeforeDeath(plan.fault, next, end);
    const bool dies = cut < end || (plan.fault && plan.fault->kind == Fault::Kind::kKillAfter &&
                                    plan.fault->step + 1 == end);
    if (netns.empty()) {
      RunSegment(progress, next, cut, dies);
    } else {
      RunElsewhere(progress, next, cut);
    }
    next = cut;
    DieIf(plan.fault, Fault::Kind::kKillAfter, next - 1);
  }
  if (progress.outcome.failure) {
    RollBack(plan, progress.outcome);
  } else if (std::ranges::any_of(plan.steps, IsTransaction)) {
    if (auto count = netfilter_->CountFlows()) progress.outcome.flows = std::move(*count);
  }
  return std::move(progress.outcome);
}

// All of them before anything is touched.
bool PlanRunner::OpenOthers(Progress& progress) {
  for (size_t i = 0; i < progress.plan.steps.size(); ++i) {
    if (auto opened = progress.others.OpenFor(progress.plan.steps[i].step); !opened) {
      progress.outcome.failure = StepFailure{opened.error(), i};
      return false;
    }
  }
  return true;
}

// Steps in another namespace: they finish what the plan made there, which goes with its other end,
// and have no inverses.
void PlanRunner::RunElsewhere(Progress& progress, size_t first, size_t end) {
  const std::vector<PlanStep>& steps = progress.plan.steps;
  const auto is_sysctl = [&](size_t i) {
    return std::holds_alternative<SetSysctl>(steps[i].step.action);
  };
  const auto visited = progress.others.RunInside(steps[first].step.netns, [&] {
    auto socket = nl::Socket::Open(NETLINK_ROUTE);
    if (!socket) return progress.Refuse(first, socket.error());
    for (size_t next = first; next < end && !progress.outcome.failure;) {
      if (is_sysctl(next)) {
        RunAlone(progress, next++);
        continue;
      }
      size_t stop = next;
      while (stop < end && !is_sysctl(stop)) ++stop;
      SendMessages(progress, *socket, next, stop);
      next = stop;
    }
  });
  if (!visited) progress.Refuse(first, visited.error());
}

// Everything between two breaks goes down in one send. Taps are opened first and made persistent
// after it, so that a process killed in between (`dies`) leaves none. They come up when their
// queues are closed: a tap that is up takes the kernel twice as long to let go of (50 us more).
void PlanRunner::RunSegment(Progress& progress, size_t first, size_t end, bool dies) {
  if (auto collision = FindCollision(progress.plan, first, end)) {
    progress.outcome.failure = std::move(collision);
    return;
  }
  if (!OpenTaps(progress, first, end)) return;
  const bool sent = SendMessages(progress, socket_, first, end);
  if (dies) return;
  std::vector<size_t> finished;
  if (sent && PersistTaps(progress)) {
    for (auto& [step, tap] : progress.taps) {
      const auto& create = std::get<CreateTap>(progress.plan.steps[step].step.action);
      if (create.hand_out) progress.outcome.fds[step] = tap.TakeQueues();
      finished.push_back(step);
    }
  }
  progress.taps.clear();
  RaiseTaps(progress, finished);
}

// Followers address a link by the index that we chose: were it taken, they would hit a stranger.
std::optional<StepFailure> PlanRunner::FindCollision(const Plan& plan, size_t first,
                                                     size_t end) const {
  const auto check = [&](uint32_t ifindex, size_t step,
                         const std::string& ifname) -> std::optional<StepFailure> {
    const std::string holder = sys::NameOfIndex(probe_.get(), ifindex);
    if (holder.empty()) return std::nullopt;
    return StepFailure{{EEXIST, "ip link add " + ifname + " index " + std::to_string(ifindex),
                        "the interface index belongs to " + holder},
                       step};
  };
  for (size_t i = first; i < end; ++i) {
    const Action& action = plan.steps[i].step.action;
    std::optional<StepFailure> found;
    if (const auto* spec = std::get_if<rtnl::LinkSpec>(&action)) {
      found = check(spec->ifindex, i, spec->ifname);
      const auto* peer = std::get_if<rtnl::VethPeer>(&spec->data);
      if (!found && peer != nullptr && peer->netns.empty())
        found = check(peer->ifindex, i, peer->ifname);
    } else if (const auto* tap = std::get_if<CreateTap>(&action)) {
      found = check(tap->ifindex, i, tap->ifname);
    }
    if (found) return found;
  }
  return std::nullopt;
}

bool PlanRunner::OpenTaps(Progress& progress, size_t first, size_t end) {
  for (size_t i = first; i < end; ++i) {
    const auto* create = std::get_if<CreateTap>(&progress.plan.steps[i].step.action);
    if (create == nullptr || FailsAt(progress.plan.fault, i)) continue;
    auto tap = sys::Tap::Create(probe_.get(), create->ifname, create->ifindex, create->queues);
    if (tap && create->owner) {
      if (auto owned = tap->SetOwner(*create->owner); !owned) tap = owned.error();
    }
    if (tap) {
      progress.taps.emplace(i, std::move(*tap));
      continue;
    }
    progress.Refuse(i, tap.error());
    if (!progress.outcome.failure) continue;
    progress.taps.clear();
    return false;
  }
  return true;
}

bool PlanRunner::SendMessages(Progress& progress, nl::Socket& socket, size_t first, size_t end) {
  const Plan& plan = progress.plan;
  std::vector<nl::Message> messages;
  std::vector<size_t> owners;
  for (size_t i = first; i < end; ++i) {
    if (FailsAt(plan.fault, i)) progress.Refuse(i, Injected(plan.fault));
    if (progress.settled.contains(i)) continue;
    for (nl::Message& message : MessagesFor(plan.steps[i].step, progress.others))
      messages.push_back(std::move(message));
    owners.resize(messages.size(), i);
  }
  if (messages.empty()) return !progress.outcome.failure;
  std::vector<size_t>& done = progress.outcome.done;
  auto acks = nl::SendBatch(socket, messages);
  if (LosesAnswer(plan.fault, first, end)) acks = Injected(plan.fault);
  if (!acks) {
    // What the kernel did is unknown: every inverse runs, and finds what there is.
    done.insert(done.end(), owners.begin(), owners.end());
    done.erase(std::unique(done.begin(), done.end()), done.end());
    progress.Refuse(first, acks.error());
    return false;
  }
  for (size_t i = 0; i < messages.size(); ++i) {
    const size_t step = owners[i];
    // What follows a message that was refused speaks of a link that is not there.
    if (progress.settled.contains(step)) continue;
    const nl::Ack& ack = (*acks)[i];
    if (ack) progress.Refuse(step, *ack);
    const bool is_touched = !ack || MayBeHalfDone(plan.steps[step].step.action, ack->code);
    if (is_touched && (done.empty() || done.back() != step)) done.push_back(step);
  }
  progress.UndoRefusedRemovals();
  return !progress.outcome.failure;
}

bool PlanRunner::PersistTaps(Progress& progress) {
  for (auto& [step, tap] : progress.taps) {
    if (auto persisted = tap.Persist(); !persisted) {
      progress.Refuse(step, persisted.error());
      return false;
    }
  }
  return true;
}

void PlanRunner::RaiseTaps(Progress& progress, const std::vector<size_t>& steps) {
  std::vector<nl::Message> messages;
  std::vector<size_t> owners;
  for (const size_t step : steps) {
    const auto& tap = std::get<CreateTap>(progress.plan.steps[step].step.action);
    if (!tap.attributes.up) continue;
    messages.push_back(RaiseTap(tap));
    owners.push_back(step);
  }
  if (messages.empty()) return;
  auto acks = nl::SendBatch(socket_, messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    const nl::Ack ack = acks ? (*acks)[i] : nl::Ack(acks.error());
    if (ack) progress.Refuse(owners[i], *ack);
  }
}

void PlanRunner::RunAlone(Progress& progress, size_t index) {
  const std::optional<Fault>& fault = progress.plan.fault;
  const sys::Status carried =
      FailsAt(fault, index) ? sys::Status(Injected(fault)) : Carry(progress, index);
  if (carried) progress.outcome.done.push_back(index);
  if (!carried) return progress.Refuse(index, carried.error());
  if (!LosesAnswer(fault, index, index + 1)) return;
  progress.outcome.handles.erase(index);
  progress.Refuse(index, Injected(fault));
}

sys::Status PlanRunner::Carry(Progress& progress, size_t index) {
  const Action& action = progress.plan.steps[index].step.action;
  if (const auto* sysctl = std::get_if<SetSysctl>(&action)) {
    return sys::WriteSysctl(sysctl->name, sysctl->value);
  }
  if (const auto* gone = std::get_if<DeleteFlows>(&action)) {
    return netfilter_->DeleteFlows(gone->flows);
  }
  auto committed = netfilter_->Commit(std::get<Transaction>(action).commands);
  // Nothing of what was refused was done; what was perhaps done is undone.
  if (committed.is_unknown) progress.outcome.done.push_back(index);
  if (committed.failure) return *committed.failure;
  progress.outcome.handles[index] = std::move(committed.handles);
  return sys::Ok();
}

sys::Status PlanRunner::UndoAlone(const Action& action, const nft::Handles& added) {
  if (const auto* transaction = std::get_if<Transaction>(&action)) {
    return netfilter_->Undo(transaction->commands, added);
  }
  if (const auto* gone = std::get_if<DeleteFlows>(&action)) {
    return netfilter_->DeleteFlows(gone->flows);
  }
  const auto& sysctl = std::get<SetSysctl>(action);
  return sys::WriteSysctl(sysctl.name, sysctl.value);
}

// Inverses run last first; links to delete are gathered for one group.
void PlanRunner::RollBack(const Plan& plan, RunOutcome& outcome) {
  outcome.fds.clear();
  std::vector<size_t> over_netlink;
  for (auto it = outcome.done.rbegin(); it != outcome.done.rend(); ++it) {
    const auto& undo = plan.steps[*it].undo;
    if (!undo) continue;
    if (const auto* doomed = std::get_if<DeleteLinks>(&undo->action)) {
      auto& links = outcome.rollback.links;
      links.insert(links.end(), doomed->links.begin(), doomed->links.end());
    } else if (IsAlone(undo->action)) {
      UndoMessages(plan, outcome, over_netlink);
      auto undone = UndoAlone(undo->action, outcome.handles[*it]);
      if (!undone && !IsGone(undone.error().code)) {
        outcome.left.push_back({undone.error(), *it});
      }
    } else {
      over_netlink.push_back(*it);
    }
  }
  UndoMessages(plan, outcome, over_netlink);
  outcome.done.clear();
}

void PlanRunner::UndoMessages(const Plan& plan, RunOutcome& outcome, std::vector<size_t>& indexes) {
  std::vector<nl::Message> messages;
  std::vector<size_t> owners;
  for (const size_t index : indexes) {
    for (nl::Message& message : MessagesFor(*plan.steps[index].undo, {})) {
      messages.push_back(std::move(message));
    }
    owners.resize(messages.size(), index);
  }
  indexes.clear();
  if (messages.empty()) return;
  auto acks = nl::SendBatch(socket_, messages);
  for (size_t i = 0; i < messages.size(); ++i) {
    const nl::Ack ack = acks ? (*acks)[i] : nl::Ack(acks.error());
    if (!ack || IsGone(ack->code)) continue;
    // A step that was refused for the same reason changed nothing.
    const auto& failure = outcome.failure;
    if (failure && failure->step == owners[i] && failure->error.code == ack->code) continue;
    // What was to be deleted is there.
    if (ack->code == EEXIST && IsRemoval(plan.steps[owners[i]].step.action)) continue;
    outcome.left.push_back({*ack, owners[i]});
  }
}

}  // namespace snnet::exec
