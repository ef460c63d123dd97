// SPDX-License-Identifier: Apache-2.0
#include "exec/process_watch.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <vector>

#include "exec/worker.h"

namespace snnet::exec {
namespace {

bool IsReadable(int fd) {
  pollfd wait = {fd, POLLIN, 0};
  return poll(&wait, 1, 0) > 0;
}

}  // namespace

// Held by the loop as long as it looks at it: no descriptor is closed, and its number given to
// another, while the thread waits for it.
struct ProcessWatch::Entry {
  sys::UniqueFd pidfd;
  bool has_ended = false;
  // A process that lives on without us.
  std::function<void(Token)> ended;
  // A program of ours.
  pid_t pid = 0;
  sys::UniqueFd error_output;
  std::function<void(ProgramResult)> done;
  ProgramResult result;
  size_t error_bytes = 0;
  Clock::time_point deadline = Clock::time_point::max();

  bool IsProgram() const { return done != nullptr; }

  // What is beyond the limit is read too, so that the program does not wait for a reader.
  void ReadErrors() {
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t got = read(error_output.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) return error_output.Reset();
      const size_t room = error_bytes - std::min(error_bytes, result.error_output.size());
      result.error_output.append(buffer.data(), std::min(room, static_cast<size_t>(got)));
    }
  }
};

sys::Status ProcessWatch::Run(const sys::Program& program, Limits limits,
                              std::function<void(ProgramResult)> done) {
  auto child = sys::StartProgram(program);
  if (!child) return child.error();
  auto entry = std::make_shared<Entry>();
  entry->pidfd = std::move(child->pidfd);
  entry->pid = child->pid;
  entry->error_output = std::move(child->error_output);
  entry->done = std::move(done);
  entry->error_bytes = limits.error_bytes;
  entry->deadline = Clock::now() + limits.time;
  auto added = Add(entry);
  if (added) return sys::Ok();
  static_cast<void>(sys::SignalProcess(entry->pidfd.get(), SIGKILL));
  waitpid(entry->pid, nullptr, 0);
  return added.error();
}

sys::Result<ProcessWatch::Token> ProcessWatch::Adopt(pid_t pid, std::function<void(Token)> ended) {
  auto pidfd = sys::OpenProcess(pid);
  if (!pidfd) return pidfd.error();
  auto entry = std::make_shared<Entry>();
  entry->pidfd = std::move(*pidfd);
  entry->ended = std::move(ended);
  return Add(std::move(entry));
}

sys::Status ProcessWatch::Signal(Token token, int signal) {
  std::shared_ptr<Entry> entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(token);
    if (found == entries_.end()) return sys::Error{ESRCH, "pidfd_send_signal"};
    entry = found->second;
  }
  return sys::SignalProcess(entry->pidfd.get(), signal);
}

void ProcessWatch::Forget(Token token) {
  const std::lock_guard lock(mutex_);
  entries_.erase(token);
  if (wake_) eventfd_write(wake_.get(), 1);
}

sys::Result<ProcessWatch::Token> ProcessWatch::Add(std::shared_ptr<Entry> entry) {
  const std::lock_guard lock(mutex_);
  if (is_stopping_) return sys::Error{EBADF, "the handle is closed"};
  if (!thread_.joinable()) {
    wake_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake_) return sys::LastError("eventfd");
    if (auto started = StartThread(thread_, [this] { Loop(); }); !started) return started.error();
  }
  const Token token = next_++;
  entries_.emplace(token, std::move(entry));
  eventfd_write(wake_.get(), 1);
  return token;
}

void ProcessWatch::Loop() {
  PrepareThread("snnet-process");
  for (;;) {
    Entries entries;
    {
      const std::lock_guard lock(mutex_);
      if (is_stopping_) return;
      entries = entries_;
    }
    Wait(entries);
    for (const auto& [token, entry] : entries) Look(token, *entry);
  }
}

// Until any of them, or of the callers, has something to say.
void ProcessWatch::Wait(const Entries& entries) {
  std::vector<pollfd> wait = {{wake_.get(), POLLIN, 0}};
  auto first = Clock::time_point::max();
  for (const auto& [token, entry] : entries) {
    if (!entry->has_ended) wait.push_back({entry->pidfd.get(), POLLIN, 0});
    if (entry->error_output) wait.push_back({entry->error_output.get(), POLLIN, 0});
    first = std::min(first, entry->deadline);
  }
  int timeout = -1;
  if (first != Clock::time_point::max()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first - Clock::now());
    timeout = static_cast<int>(std::clamp<int64_t>(left.count(), 0, 1 << 30));
  }
  poll(wait.data(), wait.size(), timeout);
  eventfd_t woken = 0;
  eventfd_read(wake_.get(), &woken);
}

void ProcessWatch::Look(Token token, Entry& entry) {
  if (entry.has_ended) return;
  if (entry.error_output) entry.ReadErrors();
  if (!IsReadable(entry.pidfd.get())) {
    if (Clock::now() < entry.deadline) return;
    entry.result.has_timed_out = true;
    entry.deadline = Clock::time_point::max();
    static_cast<void>(sys::SignalProcess(entry.pidfd.get(), SIGKILL));
    return;
  }
  entry.has_ended = true;
  // Not only a program: whoever loses its parent becomes the child of a first process.
  const auto end = sys::ReapChild(entry.pidfd.get());
  if (!entry.IsProgram()) {
    {
      const std::lock_guard lock(mutex_);
      // Forgotten while it was looked at.
      if (!entries_.contains(token)) return;
    }
    return entry.ended(token);
  }
  // What it wrote last came before its end.
  if (entry.error_output) entry.ReadErrors();
  if (end) entry.result.end = *end;
  Forget(token);
  entry.done(std::move(entry.result));
}

void ProcessWatch::Stop() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
    if (wake_) eventfd_write(wake_.get(), 1);
  }
  if (thread_.joinable()) thread_.join();
  for (const auto& [token, entry] : entries_) {
    if (!entry->IsProgram()) continue;
    static_cast<void>(sys::SignalProcess(entry->pidfd.get(), SIGKILL));
    waitpid(entry->pid, nullptr, 0);
  }
  entries_.clear();
}

}  // namespace snnet::exec
