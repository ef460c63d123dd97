// SPDX-License-Identifier: Apache-2.0
#include "cni/daemon.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>

namespace snnet::cni {
namespace {

constexpr char kRequest = 1;
constexpr char kAddress = 2;
constexpr char kAnswer = 1;
constexpr char kWantsAddress = 2;
// Another number where an old daemon could not make sense of what comes.
constexpr char kProtocol = 1;
constexpr size_t kLengthBytes = 4;
constexpr size_t kMostReply = size_t{2} << 20;

std::string EncodeLength(size_t length) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes.push_back(static_cast<char>(length >> shift & 0xff));
  }
  return bytes;
}

size_t DecodeLength(std::string_view bytes) {
  size_t length = 0;
  for (const char byte : bytes) length = length << 8 | static_cast<unsigned char>(byte);
  return length;
}

std::string EncodeRequest(const Request& request) {
  std::string variables;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (text.starts_with("CNI_")) variables.append(text).push_back('\0');
  }
  return kProtocol + EncodeLength(variables.size()) + variables + request.input;
}

Failure Absent(const Request& request, std::string message, std::string details) {
  const bool is_asked = request.command == "STATUS";
  return {is_asked ? Code::kUnavailable : Code::kTryAgain, std::move(message), std::move(details)};
}

Failure Absent(const Request& request, std::string message, const sys::Error& error) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  return Absent(request, std::move(message), error.request + ": " + strerror(error.code));
}

// Whoever listens there is to be as trustworthy as we are.
bool IsOurs(int fd) {
  ucred peer = {};
  socklen_t length = sizeof peer;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) return false;
  return peer.uid == 0 || peer.uid == geteuid();
}

}  // namespace

std::variant<Daemon, Failure> Daemon::Reach(const Request& request) {
  return request.program.empty() ? Connect(request) : Run(request);
}

std::variant<Daemon, Failure> Daemon::Connect(const Request& request) {
  const std::string message = "the snnet daemon does not run (" + request.socket_path + ")";
  // To connect may block where the daemon's queue is full: that is what the timeout is for.
  sys::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return Absent(request, message, sys::LastError("socket"));
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(request.timeout);
  const timeval timeout = {seconds.count(), (request.timeout - seconds).count() * 1000};
  if (setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) != 0) {
    return Absent(request, message, sys::LastError("setsockopt"));
  }
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  request.socket_path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Absent(request, message, sys::LastError("connect"));
  }
  if (!IsOurs(fd.get())) {
    return Absent(request, message, "another user's process listens there");
  }
  if (fcntl(fd.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Absent(request, message, sys::LastError("fcntl"));
  }
  return Daemon(std::move(fd), sys::UniqueFd(), std::nullopt);
}

std::variant<Daemon, Failure> Daemon::Run(const Request& request) {
  const std::string message = "snnet cannot be run (" + request.program.front() + ")";
  std::array<int, 2> down = {-1, -1};
  std::array<int, 2> up = {-1, -1};
  if (pipe2(down.data(), O_CLOEXEC) != 0) return Absent(request, message, sys::LastError("pipe"));
  const sys::UniqueFd input(down[0]);
  sys::UniqueFd writing(down[1]);
  if (pipe2(up.data(), O_CLOEXEC) != 0) return Absent(request, message, sys::LastError("pipe"));
  sys::UniqueFd reading(up[0]);
  const sys::UniqueFd output(up[1]);
  if (fcntl(writing.get(), F_SETFL, O_NONBLOCK) != 0) {
    return Absent(request, message, sys::LastError("fcntl"));
  }
  auto program = Program::Start(request.program, request.command, input.get(), output.get());
  if (!program) return Absent(request, message, program.error());
  return Daemon(std::move(reading), std::move(writing), std::move(*program));
}

Daemon::Reply Daemon::Ask(const Request& request) {
  return Exchange(request, kRequest, EncodeRequest(request));
}

Daemon::Reply Daemon::TellAddress(const Request& request, std::string_view given) {
  return Exchange(request, kAddress, given);
}

Daemon::Reply Daemon::Exchange(const Request& request, char kind, std::string_view body) {
  const std::string message = "the snnet daemon does not answer";
  const Deadline deadline(request.timeout);
  const int writing = writing_ ? writing_.get() : reading_.get();
  const std::string frame = EncodeLength(body.size() + 1) + kind + std::string(body);
  if (auto sent = WriteAll(writing, frame, deadline); !sent) {
    return Absent(request, message, sent.error());
  }
  const auto head = ReadExactly(reading_.get(), kLengthBytes, deadline);
  if (!head) return Absent(request, message, head.error());
  const size_t length = DecodeLength(*head);
  if (length == 0 || length > kMostReply) return Absent(request, message, "a frame of no use");
  const auto read = ReadExactly(reading_.get(), length, deadline);
  if (!read) return Absent(request, message, read.error());
  const std::string& reply = *read;
  if (reply.front() == kWantsAddress) return WantsAddress{};
  if (reply.front() != kAnswer || length < 2) return Absent(request, message, "a frame of no use");
  const int status = static_cast<unsigned char>(reply[1]);
  // One that ran for us closes what it opened; where it cannot end, what it answered stands.
  if (program_) static_cast<void>(program_->Await(deadline));
  return Answer{status, reply.substr(2)};
}

}  // namespace snnet::cni
