// SPDX-License-Identifier: Apache-2.0
#include "sys/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

namespace snnet::sys {
namespace {

ifreq RequestFor(const std::string& ifname) {
  ifreq request;
  std::memset(&request, 0, sizeof request);
  std::memcpy(request.ifr_name, ifname.data(),
              std::min(ifname.size(), sizeof request.ifr_name - 1));
  return request;
}

Result<UniqueFd> OpenQueue(const std::string& ifname, uint32_t ifindex, short flags) {
  const std::string what = "ip tuntap add " + ifname + " mode tap";
  UniqueFd fd(open("/dev/net/tun", O_RDWR | O_CLOEXEC));
  if (!fd) return LastError("open /dev/net/tun");
  if (ifindex != 0 && ioctl(fd.get(), TUNSETIFINDEX, &ifindex) != 0) return LastError(what);
  ifreq request = RequestFor(ifname);
  request.ifr_flags = flags;
  if (ioctl(fd.get(), TUNSETIFF, &request) != 0) return LastError(what);
  return fd;
}

}  // namespace

Result<Tap> Tap::Create(int socket_fd, const std::string& ifname, uint32_t ifindex,
                        uint32_t queues) {
  const Error taken{EEXIST, "ip tuntap add " + ifname + " mode tap"};
  if (IndexOfName(socket_fd, ifname) != 0) return taken;
  int flags = IFF_TAP | IFF_NO_PI;
  if (queues > 1) flags |= IFF_MULTI_QUEUE | IFF_VNET_HDR;
  Tap tap;
  tap.ifname_ = ifname;
  for (uint32_t queue = 0; queue < queues; ++queue) {
    auto fd = OpenQueue(ifname, queue == 0 ? ifindex : 0, static_cast<short>(flags));
    if (!fd) return fd.error();
    tap.queues_.push_back(std::move(*fd));
    // Somebody may have made a tap of that name since the look above: then we are attached to
    // theirs.
    if (queue == 0 && IndexOfName(socket_fd, ifname) != ifindex) return taken;
  }
  return tap;
}

Status Tap::SetOwner(uint32_t uid) {
  if (ioctl(queues_.front().get(), TUNSETOWNER, static_cast<unsigned long>(uid)) != 0) {
    return LastError("ip tuntap add " + ifname_ + " mode tap user " + std::to_string(uid));
  }
  return Ok();
}

Status Tap::Persist() {
  if (ioctl(queues_.front().get(), TUNSETPERSIST, 1) != 0) {
    return LastError("make tap " + ifname_ + " persistent");
  }
  return Ok();
}

std::string NameOfIndex(int socket_fd, uint32_t ifindex) {
  ifreq request;
  std::memset(&request, 0, sizeof request);
  request.ifr_ifindex = static_cast<int>(ifindex);
  if (ioctl(socket_fd, SIOCGIFNAME, &request) != 0) return {};
  return request.ifr_name;
}

uint32_t IndexOfName(int socket_fd, const std::string& ifname) {
  ifreq request = RequestFor(ifname);
  if (ioctl(socket_fd, SIOCGIFINDEX, &request) != 0) return 0;
  return static_cast<uint32_t>(request.ifr_ifindex);
}

}  // namespace snnet::sys
