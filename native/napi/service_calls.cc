// SPDX-License-Identifier: Apache-2.0
#include "napi/service_calls.h"

#include <malloc.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "napi/encode.h"
#include "sys/unix_socket.h"

namespace snnet::napi {
namespace {

std::optional<int> ReadDescriptor(const Napi::Value& value) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  const bool fits = number >= 0 && number <= std::numeric_limits<int32_t>::max();
  if (fits && std::trunc(number) == number) return static_cast<int>(number);
  Napi::TypeError::New(value.Env(), "expected a file descriptor").ThrowAsJavaScriptException();
  return std::nullopt;
}

std::optional<std::string> ReadText(const Napi::Value& value, const char* what) {
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.find('\0') == std::string::npos) return text;
  }
  Napi::TypeError::New(value.Env(), std::string("expected a string: ") + what)
      .ThrowAsJavaScriptException();
  return std::nullopt;
}

Napi::Value EncodeStatus(Napi::Env env, const sys::Status& status) {
  return status ? Napi::Object::New(env) : WithError(env, status.error());
}

Napi::Value PeerCredentials(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto fd = ReadDescriptor(info[0]);
  if (!fd) return env.Undefined();
  auto peer = sys::ReadPeerCredentials(*fd);
  if (!peer) return WithError(env, peer.error());
  Napi::Object object = Napi::Object::New(env);
  object.Set("pid", Napi::Number::New(env, peer->pid));
  object.Set("uid", Napi::Number::New(env, peer->uid));
  object.Set("gid", Napi::Number::New(env, peer->gid));
  return object;
}

Napi::Value SendToUnixSocket(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto address = ReadText(info[0], "an address");
  if (!address) return env.Undefined();
  const auto text = ReadText(info[1], "a text");
  if (!text) return env.Undefined();
  return EncodeStatus(env, sys::SendToUnixSocket(*address, *text));
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  const auto fd = ReadDescriptor(info[0]);
  if (!fd) return info.Env().Undefined();
  return EncodeStatus(info.Env(), sys::LockFile(*fd));
}

// What the C library keeps of memory that was given back: it does not know that nobody will come.
Napi::Value ReleaseMemory(const Napi::CallbackInfo& info) {
#ifdef __GLIBC__
  malloc_trim(0);
#endif
  return info.Env().Undefined();
}

}  // namespace

void DefineServiceCalls(Napi::Env env, Napi::Object exports) {
  exports.Set("peerCredentials", Napi::Function::New<PeerCredentials>(env, "peerCredentials"));
  exports.Set("sendToUnixSocket", Napi::Function::New<SendToUnixSocket>(env, "sendToUnixSocket"));
  exports.Set("lockFile", Napi::Function::New<LockFile>(env, "lockFile"));
  exports.Set("releaseMemory", Napi::Function::New<ReleaseMemory>(env, "releaseMemory"));
}

}  // namespace snnet::napi
