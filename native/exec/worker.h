// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "sys/result.h"

namespace snnet::exec {

// A thread with a queue. Post() and Stop() may be called from any thread, the jobs run on its own.
class Worker {
 public:
  using Job = std::function<void()>;

  explicit Worker(const char* name) : name_(name) {}
  ~Worker() { Stop(true); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  sys::Status Start();
  // Nothing runs and nothing waits.
  bool IsIdle();
  // False once stopping: the job will not run.
  bool Post(Job job);
  // Ends the thread after what it does now; `discard` drops what is queued, else that is done
  // first. Called on the worker's own thread it only asks; the owner joins later.
  void Stop(bool discard);

 private:
  void Loop();

  const char* name_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool is_busy_ = false;
  bool stopping_ = false;
  std::thread thread_;
};

// Signals are the main thread's business, and a name helps whoever looks at the process.
void PrepareThread(const char* name);

// Fails where the process may not have more threads.
sys::Status StartThread(std::thread& thread, std::function<void()> body);

}  // namespace snnet::exec
