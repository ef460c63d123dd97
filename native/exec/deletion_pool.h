// SPDX-License-Identifier: Apache-2.0
//
// Deleting a link costs 12 to 36 ms of waiting in the kernel, for a whole group of links as much as
// for one. So everything that waits to be deleted at that moment is collected, verified, moved to a
// fresh group and deleted by one message, on threads that do nothing else; callers are answered
// when the kernel announces their links gone, 0.3 to 0.7 ms after the send. So long the kernel's
// lock is held, and what comes meanwhile waits to go together; then the next sender has its turn,
// while the one before waits outside the lock.
//
//   Submit -> queue -> [a sender takes all] -> verify by index -> regroup, retire, delete group
//                                              (one link alone is deleted by its index)
//                                                     DeathWatch <- monitor thread <- RTM_DELLINK
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "exec/death_watch.h"
#include "exec/quiet_time.h"
#include "exec/step.h"
#include "nl/socket.h"

namespace snnet::exec {

struct DeletionJob {
  DeleteLinks what;
  // What becomes of the kernel's answer, where a test wants it lost.
  std::optional<sys::Error> lost;
  std::function<void(const DeletionResult&)> answered;
  // A failure that shows only after the answer: the bridge was not retired, say.
  std::function<void(const sys::Error&)> failed_late;
};

class DeletionPool {
 public:
  struct Options {
    const char* name;
    size_t max_senders;
    // A commit takes at most so many links.
    size_t max_links;
    // Where given: the pool sends when it has been quiet for a moment, so as not to hold the
    // kernel's lock in the middle of somebody's burst; but it waits no longer than kLongestWait.
    const QuietTime* quiet = nullptr;
  };

  // Each sender sleeps in the kernel while its group goes; senders start as they are needed.
  DeletionPool(const Options& options, DeathWatch& watch) : options_(options), watch_(watch) {}
  ~DeletionPool() { Stop(true); }
  DeletionPool(const DeletionPool&) = delete;
  DeletionPool& operator=(const DeletionPool&) = delete;

  // A sender has its socket in the namespace of the thread that starts it. Only kNever will do on a
  // thread of another namespace, and there must be a sender already.
  enum class Start { kIfNeeded, kNever };
  // Refused once stopping, or where there is no sender and none can be had; then nothing of the job
  // is called.
  sys::Status Submit(DeletionJob job, Start start);
  bool HasIdleSender();
  // Waits for quiet no more.
  void Hasten();
  // Ends the senders after what they do now; `discard` drops what is queued, else that is done
  // first.
  void Stop(bool discard);

 private:
  struct Member;
  using Commit = std::vector<Member>;

  sys::Status StartSender();
  void Loop(nl::Socket& socket);
  void WaitForQuiet(std::unique_lock<std::mutex>& lock);
  std::vector<DeletionJob> Take();
  void Run(nl::Socket& socket, std::vector<DeletionJob> jobs);
  void EndTurn();
  void Verify(nl::Socket& socket, Commit& commit);
  void Send(nl::Socket& socket, Commit& commit);
  static bool IsOneLink(const Commit& commit);
  void SendOne(nl::Socket& socket, Member& member);
  void SendAlone(nl::Socket& socket, Member& member);

  const Options options_;
  DeathWatch& watch_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<DeletionJob> queue_;
  size_t idle_ = 0;  // senders that wait for work, or are about to
  // A sender has the kernel's lock, or waits for it: another would only wait too, and with less.
  bool has_turn_ = false;
  bool is_hasty_ = false;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
  std::atomic<size_t> links_at_last_dump_ = 0;
};

}  // namespace snnet::exec
