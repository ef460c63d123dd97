// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "sys/result.h"
#include "sys/unique_fd.h"

namespace snnet::sys {

// Both work on the namespace of the calling thread: the kernel resolves /proc/sys/net by the thread
// that opens the file (net/sysctl_net.c). `name` is a path below /proc/sys.
Result<std::string> ReadSysctl(const std::string& name);
Status WriteSysctl(const std::string& name, const std::string& value);

// One that is read again and again: to open it takes several times as long as to read it. It is
// that of the thread which reads first.
class SysctlReader {
 public:
  explicit SysctlReader(std::string name) : name_(std::move(name)) {}
  Result<std::string> Read();

 private:
  std::string name_;
  UniqueFd fd_;
};

}  // namespace snnet::sys
