// SPDX-License-Identifier: Apache-2.0
#include "cni/program.h"

#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

namespace snnet::cni {
namespace {

constexpr std::string_view kCommand = "CNI_COMMAND=";

// What posix_spawn is told to do to the child before it runs the program.
class Preparation {
 public:
  Preparation(int input, int output) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const std::array outcomes = {
        posix_spawn_file_actions_adddup2(&actions_, input, STDIN_FILENO),
        posix_spawn_file_actions_adddup2(&actions_, output, STDOUT_FILENO),
        // We ignore it, and what is ignored would stay so.
        posix_spawnattr_setsigdefault(&attributes_, &pipe),
        posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF),
    };
    for (const int outcome : outcomes) failed_ = failed_ == 0 ? outcome : failed_;
  }
  ~Preparation() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  // The errno of the first thing that there is no memory for, or 0.
  int failed() const { return failed_; }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
  int failed_ = 0;
};

// As exec wants it; lives no longer than the strings.
std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentFor(std::string_view command) {
  std::vector<std::string> variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with(kCommand)) variables.emplace_back(*variable);
  }
  variables.push_back(std::string(kCommand).append(command));
  return variables;
}

}  // namespace

sys::Result<Program> Program::Start(const std::vector<std::string>& words, std::string_view command,
                                    int input, int output) {
  const std::string request = "start " + words.front();
  const Preparation preparation(input, output);
  if (preparation.failed() != 0) return sys::Error{preparation.failed(), request};
  std::vector<std::string> arguments = words;
  std::vector<std::string> environment = EnvironmentFor(command);
  pid_t pid = 0;
  const int failed =
      posix_spawn(&pid, words.front().c_str(), preparation.actions(), preparation.attributes(),
                  PointersTo(arguments).data(), PointersTo(environment).data());
  if (failed != 0) return sys::Error{failed, request};
  return Program(pid);
}

Program::~Program() {
  if (pid_ == 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

sys::Result<int> Program::Await(const Deadline& deadline) {
  const sys::UniqueFd end(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0)));
  if (!end) return sys::LastError("pidfd_open");
  if (auto ended = AwaitReadable(end.get(), deadline); !ended) return ended.error();
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return sys::LastError("waitpid");
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

sys::Result<sys::UniqueFd> Hold(std::string_view bytes) {
  sys::UniqueFd file(memfd_create("cni-config", MFD_CLOEXEC));
  if (!file) return sys::LastError("memfd_create");
  while (!bytes.empty()) {
    const ssize_t count = write(file.get(), bytes.data(), bytes.size());
    if (count < 0) return sys::LastError("write");
    bytes.remove_prefix(static_cast<size_t>(count));
  }
  if (lseek(file.get(), 0, SEEK_SET) != 0) return sys::LastError("lseek");
  return file;
}

}  // namespace snnet::cni
