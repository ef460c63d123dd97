// SPDX-License-Identifier: Apache-2.0
#include "sys/process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>

namespace snnet::sys {
namespace {

// Owns what posix_spawn is told to do to the child before it runs the program.
class Preparation {
 public:
  Preparation() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  ~Preparation() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  Preparation(const Preparation&) = delete;
  Preparation& operator=(const Preparation&) = delete;

  // The errno of the first thing that there is no memory for, or 0.
  int Describe(const std::string& directory, int error_output) {
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    constexpr int kFlags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSID;
    const std::array outcomes = {
        posix_spawn_file_actions_addopen(&actions_, STDIN_FILENO, "/dev/null", O_RDONLY, 0),
        posix_spawn_file_actions_addopen(&actions_, STDOUT_FILENO, "/dev/null", O_WRONLY, 0),
        posix_spawn_file_actions_adddup2(&actions_, error_output, STDERR_FILENO),
        posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1),
        posix_spawn_file_actions_addchdir_np(&actions_, directory.c_str()),
        posix_spawnattr_setsigmask(&attributes_, &none),
        posix_spawnattr_setsigdefault(&attributes_, &all),
        posix_spawnattr_setflags(&attributes_, kFlags),
    };
    for (const int outcome : outcomes) {
      if (outcome != 0) return outcome;
    }
    return 0;
  }
  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// As exec wants it; lives no longer than the strings.
std::vector<char*> PointersTo(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<Child> StartProgram(const Program& program) {
  const std::string request = "start " + program.file;
  std::array<int, 2> ends = {-1, -1};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return LastError(request);
  Child child;
  child.error_output.Reset(ends[0]);
  UniqueFd written(ends[1]);
  // The reading end alone: the program may rely on waiting for its own.
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) return LastError(request);
  Preparation preparation;
  if (const int failed = preparation.Describe(program.directory, written.get())) {
    return Error{failed, request};
  }
  std::vector<std::string> arguments = program.arguments;
  std::vector<std::string> environment = program.environment;
  // Not fork: the memory of a JS process is not worth copying, and its threads hold locks.
  if (const int failed = posix_spawn(&child.pid, program.file.c_str(), preparation.actions(),
                                     preparation.attributes(), PointersTo(arguments).data(),
                                     PointersTo(environment).data())) {
    return Error{failed, request};
  }
  // Works even where it has ended: nobody but us takes its number back.
  auto pidfd = OpenProcess(child.pid);
  if (!pidfd) {
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    return pidfd.error();
  }
  child.pidfd = std::move(*pidfd);
  return child;
}

std::optional<ProcessEnd> ReapChild(int pidfd) {
  siginfo_t info = {};
  const int outcome = waitid(P_PIDFD, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG);
  if (outcome != 0 || info.si_pid == 0) return std::nullopt;
  if (info.si_code == CLD_EXITED) return ProcessEnd{info.si_status, std::nullopt};
  return ProcessEnd{std::nullopt, info.si_status};
}

Result<UniqueFd> OpenProcess(pid_t pid) {
  UniqueFd fd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!fd) return LastError("pidfd_open " + std::to_string(pid));
  return fd;
}

Status SignalProcess(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0) {
    return LastError("pidfd_send_signal");
  }
  return Ok();
}

Result<std::string> NameNetns() {
  std::array<char, 64> name;
  const ssize_t length = readlink("/proc/thread-self/ns/net", name.data(), name.size());
  if (length < 0) return LastError("readlink /proc/thread-self/ns/net");
  return std::string(name.data(), static_cast<size_t>(length));
}

Status SendDatagram(in_addr address, uint16_t port, const std::vector<uint8_t>& bytes) {
  UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return LastError("open a UDP socket");
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr = address;
  const ssize_t sent = sendto(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL,
                              reinterpret_cast<const sockaddr*>(&to), sizeof to);
  if (sent < 0) return LastError("send a UDP datagram");
  return Ok();
}

}  // namespace snnet::sys
