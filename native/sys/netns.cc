// SPDX-License-Identifier: Apache-2.0
#include "sys/netns.h"

#include <fcntl.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>

namespace snnet::sys {

Result<UniqueFd> OpenNetns(const std::string& netns) {
  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  // A FIFO or a terminal in its place must not hold the thread.
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) return LastError("open network namespace " + path);
  if (ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET) {
    return Error{EINVAL, "open network namespace " + path, "it is none"};
  }
  return fd;
}

Status EnterOpenNetns(int fd, const std::string& netns) {
  if (setns(fd, CLONE_NEWNET) != 0) return LastError("enter network namespace " + netns);
  return Ok();
}

Status EnterNetns(const std::string& netns) {
  if (netns.empty()) return Ok();
  auto fd = OpenNetns(netns);
  if (!fd) return fd.error();
  return EnterOpenNetns(fd->get(), netns);
}

Status EnterFreshNetns() {
  if (unshare(CLONE_NEWNET) != 0) return LastError("make a network namespace");
  return Ok();
}

}  // namespace snnet::sys
