// SPDX-License-Identifier: Apache-2.0
#include "exec/engine.h"

#include <linux/netlink.h>
#include <signal.h>

#include "nl/dump.h"
#include "sys/netns.h"
#include "sys/sysctl.h"

namespace snnet::exec {
namespace {

bool IsOnlyDeletion(const Plan& plan) {
  return plan.steps.size() == 1 && !plan.fault &&
         std::holds_alternative<DeleteLinks>(plan.steps.front().step.action);
}

sys::Error NotOpen() { return {EBADF, "the handle has no namespace"}; }

}  // namespace

// A plan on its way, with the answer that it is to have.
struct Engine::Running {
  Plan plan;
  std::function<void(PlanReply)> done;
  PlanReply reply = {};

  void Answer() { done(std::move(reply)); }
};

void Engine::Open(const Namespace& where, std::function<void(const sys::Status&)> opened) {
  if (auto started = executor_.Start(); !started) return opened(started);
  executor_.Post([this, where, opened = std::move(opened)] { opened(OpenHere(where)); });
}

sys::Status Engine::OpenHere(const Namespace& where) {
  auto entered = where.is_fresh ? sys::EnterFreshNetns() : sys::EnterNetns(where.path);
  if (!entered) return entered;
  auto runner = PlanRunner::Open(netfilter_);
  if (!runner) return runner.error();
  auto dump = nl::Socket::Open(NETLINK_ROUTE);
  if (!dump) return dump.error();
  if (auto monitoring = monitor_.Start(); !monitoring) return monitoring;
  dump_socket_.emplace(std::move(*dump));
  runner_.emplace(std::move(*runner));
  is_open_ = true;
  return sys::Ok();
}

bool Engine::Run(Plan plan, std::function<void(PlanReply)> done) {
  quiet_.Disturb();
  auto running = std::make_shared<Running>(Running{std::move(plan), std::move(done)});
  // Nothing for the executor to do, and nothing that it has to do first: one change of thread less
  // until the caller is answered. But this thread is not of the namespace, and can start no sender.
  if (is_open_ && IsOnlyDeletion(running->plan) && executor_.IsIdle() && leaves_.HasIdleSender()) {
    DeleteAtEnd(running, DeletionPool::Start::kNever);
    return true;
  }
  return executor_.Post([this, running] { RunPlan(running); });
}

void Engine::RunPlan(const std::shared_ptr<Running>& running) {
  RunOutcome& outcome = running->reply.outcome;
  if (runner_) {
    outcome = runner_->Run(running->plan);
  } else {
    outcome.failure = StepFailure{NotOpen(), 0};
  }
  if (outcome.failure) return DeleteRollback(running);
  const auto& steps = running->plan.steps;
  if (!steps.empty() && std::holds_alternative<DeleteLinks>(steps.back().step.action)) {
    return DeleteAtEnd(running, DeletionPool::Start::kIfNeeded);
  }
  running->Answer();
}

void Engine::DeleteAtEnd(const std::shared_ptr<Running>& running, DeletionPool::Start start) {
  const auto& [steps, fault] = running->plan;
  const bool dies =
      fault && fault->kind == Fault::Kind::kKillAfter && fault->step + 1 == steps.size();
  DeletionJob job;
  job.what = std::get<DeleteLinks>(steps.back().step.action);
  if (fault && fault->kind == Fault::Kind::kLoseAnswer && fault->step + 1 == steps.size()) {
    job.lost = sys::Error{fault->error, "injected fault"};
  }
  job.answered = [this, running, dies](const DeletionResult& result) {
    if (dies) kill(getpid(), SIGKILL);
    quiet_.Leave();
    running->reply.deletion = result;
    if (result.failure) return RollBack(running);
    running->Answer();
  };
  quiet_.Enter();
  Delete(std::move(job), start);
}

// What stood before a deletion that failed is undone, on the thread that did it.
void Engine::RollBack(const std::shared_ptr<Running>& running) {
  RunOutcome& outcome = running->reply.outcome;
  if (outcome.done.empty()) return running->Answer();
  // Counted as long as it is on its way: the threads must not end before it.
  Begin();
  executor_.Post([this, running] {
    runner_->RollBack(running->plan, running->reply.outcome);
    DeleteRollback(running);
    End();
  });
}

void Engine::DeleteRollback(const std::shared_ptr<Running>& running) {
  RunOutcome& outcome = running->reply.outcome;
  if (outcome.rollback.links.empty()) return running->Answer();
  DeletionJob job;
  job.what = std::move(outcome.rollback);
  job.answered = [running](const DeletionResult& result) {
    running->reply.rollback = result;
    running->Answer();
  };
  Delete(std::move(job), DeletionPool::Start::kIfNeeded);
}

void Engine::Delete(DeletionJob job, DeletionPool::Start start) {
  job.answered = [this, retire = job.what.retire,
                  answered = std::move(job.answered)](const DeletionResult& result) {
    // Only now: a bridge that goes holds the lock that the leaves need. One may be retired although
    // its deletion failed.
    if (!retire.empty()) Reap(retire, !result.failure);
    answered(result);
    End();
  };
  job.failed_late = [this](const sys::Error& error) { RecordLate(error); };
  Begin();
  const auto refused = job.answered;
  if (auto submitted = leaves_.Submit(std::move(job), start); !submitted) {
    refused({submitted.error(), false, {}});
  }
}

void Engine::Reap(const std::vector<RetiredBridge>& bridges, bool are_retired) {
  DeletionJob job;
  for (const RetiredBridge& bridge : bridges) {
    job.what.links.push_back({bridge.link.ifindex, bridge.trash_name, kTrashAlias});
  }
  job.answered = [this, are_retired](const DeletionResult& result) {
    const bool is_expected = !are_retired && result.is_foreign;
    if (result.failure && !is_expected) RecordLate(*result.failure);
    End();
  };
  job.failed_late = [this](const sys::Error& error) { RecordLate(error); };
  Begin();
  if (auto submitted = bridges_.Submit(std::move(job), DeletionPool::Start::kIfNeeded);
      !submitted) {
    RecordLate(submitted.error());
    End();
  }
}

void Engine::Begin() {
  const std::lock_guard lock(settle_mutex_);
  ++outstanding_;
}

void Engine::End() {
  std::vector<Settled> settled;
  std::vector<sys::Error> failures;
  {
    const std::lock_guard lock(settle_mutex_);
    if (--outstanding_ > 0 || settling_.empty()) return;
    settled.swap(settling_);
    failures.swap(late_failures_);
  }
  for (const auto& done : settled) done(failures);
}

void Engine::RecordLate(const sys::Error& error) {
  const std::lock_guard lock(settle_mutex_);
  late_failures_.push_back(error);
}

bool Engine::Settle(Settled done) {
  // By way of the executor: what was asked before is then among what is outstanding.
  return executor_.Post([this, done = std::move(done)] {
    std::vector<sys::Error> failures;
    {
      const std::lock_guard lock(settle_mutex_);
      if (outstanding_ > 0) {
        settling_.push_back(done);
        return;
      }
      failures.swap(late_failures_);
    }
    done(failures);
  });
}

bool Engine::Dump(DumpRequest request, std::function<void(const sys::Status&)> done) {
  return executor_.Post([this, request = std::move(request), done = std::move(done)] {
    if (!dump_socket_) return done(NotOpen());
    done(nl::Dump(*dump_socket_, request.message, request.restart, request.row));
  });
}

bool Engine::ReadSysctl(std::string name,
                        std::function<void(const sys::Result<std::string>&)> done) {
  return executor_.Post([this, name = std::move(name), done = std::move(done)] {
    if (!runner_) return done(NotOpen());
    done(sys::ReadSysctl(name));
  });
}

bool Engine::Watch(Monitor::Interest interest, std::function<void(const sys::Status&)> done) {
  return executor_.Post([this, interest, done = std::move(done)] {
    done(runner_ ? monitor_.SetInterest(interest) : sys::Status(NotOpen()));
  });
}

bool Engine::Ask(std::function<void(const sys::Result<nl::Socket*>&)> question) {
  return executor_.Post([this, question = std::move(question)] {
    question(runner_ ? netfilter_.Queries() : sys::Result<nl::Socket*>(NotOpen()));
  });
}

bool Engine::WatchNft(bool on, std::function<void(const sys::Status&)> done) {
  return executor_.Post([this, on, done = std::move(done)] {
    done(runner_ ? nft_monitor_.Watch(on) : sys::Status(NotOpen()));
  });
}

bool Engine::Enter(std::function<void(const sys::Status&)> job) {
  return executor_.Post(
      [this, job = std::move(job)] { job(runner_ ? sys::Ok() : sys::Status(NotOpen())); });
}

bool Engine::EnterAndFinish(std::function<void(const sys::Status&, std::function<void()>)> job) {
  return Enter([this, job = std::move(job)](const sys::Status& status) {
    Begin();
    job(status, [this] { End(); });
  });
}

void Engine::Close(const std::function<void()>& closed) {
  const bool accepted = executor_.Post([this, closed] {
    bridges_.Hasten();
    // A deletion on its way may come back with something to roll back, and a rollback with
    // something to delete: the threads end when nothing is left of either.
    {
      const std::lock_guard lock(settle_mutex_);
      if (outstanding_ > 0) {
        settling_.emplace_back([this, closed](const std::vector<sys::Error>&) { Close(closed); });
        return;
      }
    }
    executor_.Stop(false);
    leaves_.Stop(false);
    bridges_.Stop(false);
    monitor_.Stop();
    nft_monitor_.Stop();
    processes_.Stop();
    closed();
  });
  if (!accepted) closed();  // it never started
}

void Engine::Abandon() {
  executor_.Stop(true);
  leaves_.Stop(true);
  bridges_.Stop(true);
  monitor_.Stop();
  nft_monitor_.Stop();
  processes_.Stop();
}

}  // namespace snnet::exec
