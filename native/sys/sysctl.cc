// SPDX-License-Identifier: Apache-2.0
#include "sys/sysctl.h"

#include <fcntl.h>

#include <array>

#include "sys/unique_fd.h"

namespace snnet::sys {
namespace {

Result<UniqueFd> OpenSysctl(const std::string& name, int mode, const std::string& request) {
  // A name comes from our own planners; this is the second wall.
  if (name.empty() || name.front() == '/' || name.find("..") != std::string::npos) {
    return Error{EINVAL, request};
  }
  UniqueFd fd(open(("/proc/sys/" + name).c_str(), mode | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return LastError(request);
  return fd;
}

Result<std::string> ReadFrom(const UniqueFd& fd, const std::string& request) {
  std::array<char, 4096> buffer;
  const ssize_t length = pread(fd.get(), buffer.data(), buffer.size(), 0);
  if (length < 0) return LastError(request);
  std::string value(buffer.data(), static_cast<size_t>(length));
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

}  // namespace

Result<std::string> ReadSysctl(const std::string& name) { return SysctlReader(name).Read(); }

Result<std::string> SysctlReader::Read() {
  const std::string request = "sysctl " + name_;
  if (!fd_) {
    auto fd = OpenSysctl(name_, O_RDONLY, request);
    if (!fd) return fd.error();
    fd_ = std::move(*fd);
  }
  auto value = ReadFrom(fd_, request);
  // Its module may have gone, and come again.
  if (!value) fd_.Reset();
  return value;
}

Status WriteSysctl(const std::string& name, const std::string& value) {
  const std::string request = "sysctl -w " + name + "=" + value;
  auto fd = OpenSysctl(name, O_WRONLY, request);
  if (!fd) return fd.error();
  const ssize_t length = write(fd->get(), value.data(), value.size());
  if (length < 0) return LastError(request);
  if (static_cast<size_t>(length) != value.size()) return Error{EIO, request};
  return Ok();
}

}  // namespace snnet::sys
