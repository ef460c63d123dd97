// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "exec/netfilter.h"
#include "exec/step.h"
#include "nl/socket.h"
#include "sys/result.h"
#include "sys/tap.h"
#include "sys/unique_fd.h"

namespace snnet::exec {

// Why and where a plan failed.
struct StepFailure {
  sys::Error error;
  size_t step = 0;
};

struct RunOutcome {
  std::optional<StepFailure> failure;
  // Steps whose error was tolerated: they found things as they want them.
  std::vector<size_t> tolerated;
  // Queues handed out, by step.
  std::map<size_t, std::vector<sys::UniqueFd>> fds;
  // Somebody else owns them from then on.
  void ReleaseQueues() {
    for (auto& [step, queues] : fds) {
      for (sys::UniqueFd& queue : queues) static_cast<void>(queue.Release());
    }
    fds.clear();
  }
  // Steps that have something to undo, until they are undone.
  std::vector<size_t> done;
  // The links that the inverses want deleted; the deletion lane does it.
  DeleteLinks rollback;
  // Handles of rules that a step added, by step.
  std::map<size_t, nft::Handles> handles;
  // How many flows connection tracking knew when all was done. Of plans with a transaction: flows
  // may go by what was, and to ask for it separately would take another hop to this thread.
  std::optional<std::string> flows;
  // Inverses that did not hold.
  std::vector<StepFailure> left;
};

// Runs the steps of a plan on the thread and in the namespace that it was made on, and their
// inverses when one fails. A deletion may stand only at the end of a plan; it is not run here.
class PlanRunner {
 public:
  // `netfilter` must outlive it.
  static sys::Result<PlanRunner> Open(Netfilter& netfilter);

  RunOutcome Run(const Plan& plan);

  // Undoes what `outcome` says was done; a deletion at the end of the plan has failed, say.
  void RollBack(const Plan& plan, RunOutcome& outcome);

 private:
  PlanRunner(nl::Socket socket, sys::UniqueFd probe, Netfilter& netfilter)
      : socket_(std::move(socket)), probe_(std::move(probe)), netfilter_(&netfilter) {}

  struct Progress;
  void RunSegment(Progress& progress, size_t first, size_t end, bool dies);
  bool OpenTaps(Progress& progress, size_t first, size_t end);
  bool SendMessages(Progress& progress, nl::Socket& socket, size_t first, size_t end);
  bool PersistTaps(Progress& progress);
  void RaiseTaps(Progress& progress, const std::vector<size_t>& steps);
  std::optional<StepFailure> FindCollision(const Plan& plan, size_t first, size_t end) const;
  bool OpenOthers(Progress& progress);
  void RunElsewhere(Progress& progress, size_t first, size_t end);
  void RunAlone(Progress& progress, size_t index);
  sys::Status Carry(Progress& progress, size_t index);
  sys::Status UndoAlone(const Action& action, const nft::Handles& added);
  void UndoMessages(const Plan& plan, RunOutcome& outcome, std::vector<size_t>& indexes);

  nl::Socket socket_;
  sys::UniqueFd probe_;
  Netfilter* netfilter_;
};

}  // namespace snnet::exec
