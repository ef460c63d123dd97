// SPDX-License-Identifier: Apache-2.0
#include "sys/netns.h"

#include <fcntl.h>
#include <sched.h>

#include "sys/unique_fd.h"

namespace snnet::sys {

Status EnterNetns(const std::string& netns) {
  if (netns.empty()) return Ok();
  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return LastError("open network namespace " + path);
  if (setns(fd.get(), CLONE_NEWNET) != 0) return LastError("enter network namespace " + path);
  return Ok();
}

Status EnterFreshNetns() {
  if (unshare(CLONE_NEWNET) != 0) return LastError("make a network namespace");
  return Ok();
}

}  // namespace snnet::sys
