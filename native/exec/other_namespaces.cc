// SPDX-License-Identifier: Apache-2.0
#include "exec/other_namespaces.h"

#include <pthread.h>

#include <thread>

#include "sys/netns.h"

namespace snnet::exec {

sys::Status OtherNamespaces::OpenFor(const Step& step) {
  if (auto opened = Open(step.netns); !opened) return opened;
  const auto* link = std::get_if<rtnl::LinkSpec>(&step.action);
  const auto* peer = link == nullptr ? nullptr : std::get_if<rtnl::VethPeer>(&link->data);
  return peer == nullptr ? sys::Ok() : Open(peer->netns);
}

sys::Status OtherNamespaces::Open(const std::string& netns) {
  if (netns.empty() || open_.contains(netns)) return sys::Ok();
  auto fd = sys::OpenNetns(netns);
  if (!fd) return fd.error();
  open_.emplace(netns, std::move(*fd));
  return sys::Ok();
}

int OtherNamespaces::fd(const std::string& netns) const {
  const auto found = open_.find(netns);
  return found == open_.end() ? -1 : found->second.get();
}

sys::Status OtherNamespaces::RunInside(const std::string& netns,
                                       const std::function<void()>& job) const {
  sys::Status entered = sys::Ok();
  std::thread visitor([&] {
    pthread_setname_np(pthread_self(), "snnet-visitor");
    entered = sys::EnterOpenNetns(fd(netns), netns);
    if (entered) job();
  });
  visitor.join();
  return entered;
}

}  // namespace snnet::exec
