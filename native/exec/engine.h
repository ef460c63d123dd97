// SPDX-License-Identifier: Apache-2.0
//
// One network namespace, served by threads of its own:
//
//   executor  entered the namespace once; runs plans, dumps and sysctls in the order asked
//   leaves    senders that delete ports and tunnels, as many as are needed at once
//   bridges   one sender that deletes retired bridges (it holds the kernel's rtnl lock while it
//   waits) monitor   hears what went, and what changed while somebody watches
//   nft monitor      hears of nf_tables, once somebody has asked for it
//
// Callbacks come on any of these threads.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "exec/deletion_pool.h"
#include "exec/monitor.h"
#include "exec/netfilter.h"
#include "exec/nft_monitor.h"
#include "exec/plan_runner.h"
#include "exec/process_watch.h"
#include "exec/step.h"
#include "exec/worker.h"

namespace snnet::exec {

struct PlanReply {
  RunOutcome outcome;
  // Of the deletion at the plan's end.
  DeletionResult deletion;
  // Of the links that the rollback deleted.
  DeletionResult rollback;
};

struct Namespace {
  std::string path;       // empty: the process's own
  bool is_fresh = false;  // a new one that dies with the engine
};

// Rows of a dump: whatever the caller's reader makes of the messages.
struct DumpRequest {
  std::function<nl::Message()> message;
  std::function<void()> restart;
  std::function<void(nlmsghdr*)> row;
};

class Engine {
 public:
  Engine(Monitor::OnEvents on_events, NftMonitor::OnEvents on_nft_events)
      // Senders wait outside the kernel's rtnl lock: so many that who deletes one link after the
      // other, 0.8 ms each, never waits for one to come back, which takes 16 ms.
      : leaves_({.name = "snnet-delete", .max_senders = 24, .max_links = 8192}, watch_),
        // A group of bridges holds rtnl some 17 ms for each: bound what the host waits. The second
        // sender begins while the first waits outside the lock.
        bridges_({.name = "snnet-bridges", .max_senders = 2, .max_links = 4, .quiet = &quiet_},
                 watch_),
        monitor_(watch_, std::move(on_events)),
        nft_monitor_(netfilter_, std::move(on_nft_events)) {}
  ~Engine() { Abandon(); }
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  void Open(const Namespace& where, std::function<void(const sys::Status&)> opened);

  // Each gives false once the engine is closing; then the callback is never called. Where the
  // namespace could not be opened, the callback gets EBADF.
  bool Run(Plan plan, std::function<void(PlanReply)> done);
  bool Dump(DumpRequest request, std::function<void(const sys::Status&)> done);
  bool ReadSysctl(std::string name, std::function<void(const sys::Result<std::string>&)> done);
  bool Watch(Monitor::Interest interest, std::function<void(const sys::Status&)> done);
  // Reads netfilter's state on the executor.
  bool Ask(std::function<void(const sys::Result<nl::Socket*>&)> question);
  bool WatchNft(bool on, std::function<void(const sys::Status&)> done);
  // Anything else that needs a thread in the namespace, and takes no time worth speaking of.
  bool Enter(std::function<void(const sys::Status&)> job);
  // As Enter(), and closing waits until the job has called what it is given.
  bool EnterAndFinish(std::function<void(const sys::Status&, std::function<void()>)> job);
  ProcessWatch& processes() { return processes_; }
  using Settled = std::function<void(const std::vector<sys::Error>&)>;
  // Calls back when every link given up so far has left the kernel, with what did not go.
  bool Settle(Settled done);

  // Refuses what is new, finishes what was asked, ends the threads but the caller of `closed`;
  // Abandon() or the destructor joins that one.
  void Close(const std::function<void()>& closed);
  // Ends everything now, dropping what has not begun and its callbacks. Not on the engine's own
  // threads.
  void Abandon();

 private:
  sys::Status OpenHere(const Namespace& where);
  struct Running;
  void RunPlan(const std::shared_ptr<Running>& running);
  void DeleteAtEnd(const std::shared_ptr<Running>& running, DeletionPool::Start start);
  void RollBack(const std::shared_ptr<Running>& running);
  void DeleteRollback(const std::shared_ptr<Running>& running);
  void Delete(DeletionJob job, DeletionPool::Start start);
  // What was not retired after all is left alone.
  void Reap(const std::vector<RetiredBridge>& bridges, bool are_retired);
  void Begin();
  void End();
  void RecordLate(const sys::Error& error);

  DeathWatch watch_;
  QuietTime quiet_;
  Netfilter netfilter_;
  std::optional<PlanRunner> runner_;
  std::atomic<bool> is_open_ = false;
  std::optional<nl::Socket> dump_socket_;
  std::mutex settle_mutex_;
  size_t outstanding_ = 0;
  std::vector<sys::Error> late_failures_;
  std::vector<Settled> settling_;
  // Last, so that threads end before what they use.
  DeletionPool leaves_;
  DeletionPool bridges_;
  Monitor monitor_;
  NftMonitor nft_monitor_;
  ProcessWatch processes_;
  Worker executor_{"snnet-exec"};
};

}  // namespace snnet::exec
