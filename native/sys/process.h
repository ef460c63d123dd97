// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::sys {

struct Program {
  std::string file;  // a path; nothing is searched
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::string directory;
};

struct Child {
  pid_t pid = 0;
  UniqueFd pidfd;
  UniqueFd error_output;  // reads what it writes to standard error; never blocks
};

// How a process ended: by a status or by a signal.
struct ProcessEnd {
  std::optional<int> status;
  std::optional<int> signal;
};

// Starts a program in the namespaces of the calling thread, in a session of its own: standard
// input and output empty, no other descriptor passed on, no signal blocked or ignored.
Result<Child> StartProgram(const Program& program);

// Takes the end of a child from the kernel; nothing where it has not ended, or is no child of ours.
std::optional<ProcessEnd> ReapChild(int pidfd);

// A reference to a process, child or not, that no later process with its number can take over.
// Readable as soon as the process has ended.
Result<UniqueFd> OpenProcess(pid_t pid);
Status SignalProcess(int pidfd, int signal);

// Which network namespace the calling thread is in, as `/proc/<pid>/ns/net` names it.
Result<std::string> NameNetns();

// Sends one UDP datagram from the calling thread's network namespace.
Status SendDatagram(in_addr address, uint16_t port, const std::vector<uint8_t>& bytes);

}  // namespace snnet::sys
