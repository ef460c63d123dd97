// SPDX-License-Identifier: Apache-2.0
//
// What a daemon answers `snnet-cni`: whatever it is, there is a result, at once.
#include <stdlib.h>
#include <sys/un.h>

#include <string>

#include "cni/daemon.h"
#include "input.h"

namespace {

using namespace snnet;

// A unix socket that listens in a directory of its own, which goes with the process.
class Listener {
 public:
  Listener() : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    char directory[] = "/tmp/snnet-fuzz-XXXXXX";
    fuzz::Require(mkdtemp(directory) != nullptr, "there is a directory");
    directory_ = directory;
    path_ = directory_ + "/socket";
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    fuzz::Require(bind(fd_.get(), to, sizeof address) == 0, "it can be bound");
    fuzz::Require(listen(fd_.get(), 1) == 0, "it can listen");
  }
  ~Listener() {
    unlink(path_.c_str());
    rmdir(directory_.c_str());
  }
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  const std::string& path() const { return path_; }
  sys::UniqueFd Accept() const { return sys::UniqueFd(accept(fd_.get(), nullptr, nullptr)); }

 private:
  sys::UniqueFd fd_;
  std::string directory_;
  std::string path_;
};

void Check(const cni::Daemon::Reply& reply) {
  if (const auto* const answer = std::get_if<cni::Answer>(&reply)) {
    fuzz::Require(answer->status >= 0 && answer->status <= 255, "a status is a byte");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Listener listener;
  cni::Request request;
  request.command = "ADD";
  request.input = "{}";
  request.socket_path = listener.path();
  request.timeout = std::chrono::seconds(5);
  auto reached = cni::Daemon::Reach(request);
  auto* const daemon = std::get_if<cni::Daemon>(&reached);
  fuzz::Require(daemon != nullptr, "who listens is reached");
  const sys::UniqueFd other = listener.Accept();
  // As much as a socket takes at once, then its end.
  static_cast<void>(send(other.get(), data, size, MSG_DONTWAIT | MSG_NOSIGNAL));
  shutdown(other.get(), SHUT_WR);
  const auto first = daemon->Ask(request);
  Check(first);
  if (std::holds_alternative<cni::WantsAddress>(first)) Check(daemon->TellAddress(request, "{}"));
  return 0;
}
