// SPDX-License-Identifier: Apache-2.0
#include "exec/worker.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

namespace snnet::exec {

void PrepareThread(const char* name) {
  sigset_t blocked;
  sigfillset(&blocked);
  // A fault of this thread must reach whoever reports crashes.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&blocked, fault);
  }
  pthread_sigmask(SIG_BLOCK, &blocked, nullptr);
  pthread_setname_np(pthread_self(), name);
}

sys::Status StartThread(std::thread& thread, std::function<void()> body) {
  try {
    thread = std::thread(std::move(body));
  } catch (const std::system_error& error) {
    return sys::Error{error.code().value(), "start a thread"};
  }
  return sys::Ok();
}

sys::Status Worker::Start() {
  auto started = StartThread(thread_, [this] { Loop(); });
  if (!started) Stop(true);
  return started;
}

bool Worker::IsIdle() {
  const std::lock_guard lock(mutex_);
  return !is_busy_ && queue_.empty();
}

bool Worker::Post(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    queue_.push_back(std::move(job));
  }
  wake_.notify_one();
  return true;
}

void Worker::Stop(bool discard) {
  std::deque<Job> dropped;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    if (discard) dropped.swap(queue_);
  }
  wake_.notify_one();
  if (thread_.joinable() && thread_.get_id() != std::this_thread::get_id()) thread_.join();
}

void Worker::Loop() {
  PrepareThread(name_);
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    Job job = std::move(queue_.front());
    queue_.pop_front();
    is_busy_ = true;
    lock.unlock();
    job();
    job = nullptr;  // what it holds goes before the lock is taken again
    lock.lock();
    is_busy_ = false;
  }
}

}  // namespace snnet::exec
