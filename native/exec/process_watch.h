// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "sys/process.h"
#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::exec {

// How a program of ours ended.
struct ProgramResult {
  sys::ProcessEnd end;
  std::string error_output;  // what it wrote, up to the limit
  bool has_timed_out = false;
};

// Waits for processes on one thread of its own, which begins with the first of them: for programs
// that were started here, and for processes that live on without us. Every method may be called
// from any thread; callbacks come on the watching thread.
class ProcessWatch {
 public:
  struct Limits {
    std::chrono::milliseconds time;
    size_t error_bytes = 0;
  };
  using Token = uint32_t;

  ProcessWatch() = default;
  ~ProcessWatch() { Stop(); }
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;

  // Starts a program in the namespaces of the calling thread. What takes too long is killed. Where
  // it fails, `done` is not called.
  sys::Status Run(const sys::Program& program, Limits limits,
                  std::function<void(ProgramResult)> done);
  // Begins to watch a process; the token stands for it until Forget().
  sys::Result<Token> Adopt(pid_t pid, std::function<void(Token)> ended);
  // ESRCH where the process has ended.
  sys::Status Signal(Token token, int signal);
  void Forget(Token token);
  // Kills the programs that still run; watched processes live on. No callback comes after it.
  void Stop();

 private:
  using Clock = std::chrono::steady_clock;
  struct Entry;
  using Entries = std::map<Token, std::shared_ptr<Entry>>;

  sys::Result<Token> Add(std::shared_ptr<Entry> entry);
  void Loop();
  void Wait(const Entries& entries);
  void Look(Token token, Entry& entry);

  std::mutex mutex_;
  Entries entries_;
  Token next_ = 1;
  bool is_stopping_ = false;
  sys::UniqueFd wake_;
  std::thread thread_;
};

}  // namespace snnet::exec
