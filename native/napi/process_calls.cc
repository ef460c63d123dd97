// SPDX-License-Identifier: Apache-2.0
//
// KernelHandle's face for processes: programs started in its namespace, processes that live on.
#include <arpa/inet.h>

#include <cmath>
#include <memory>

#include "napi/encode.h"
#include "napi/kernel_handle.h"
#include "napi/reader.h"
#include "napi/request.h"

namespace snnet::napi {
namespace {

constexpr const char* kOnProcessEnd = "onProcessEnd";
constexpr size_t kMaxPath = 4096;
constexpr uint32_t kMaxErrorBytes = 1 << 20;
constexpr uint32_t kLongestMs = 1 << 30;
constexpr uint32_t kMaxPid = 1 << 22;  // PID_MAX_LIMIT
constexpr uint32_t kHighestSignal = 64;
constexpr size_t kMaxDatagram = 1472;

struct ProgramRequest {
  sys::Program program;
  exec::ProcessWatch::Limits limits;
};

// Throws what is wrong; nothing then.
bool IsFine(Napi::Env env, const Reader::Failure& failure) {
  if (failure.text.empty()) return true;
  Napi::TypeError::New(env, failure.text).ThrowAsJavaScriptException();
  return false;
}

std::optional<ProgramRequest> ReadRequest(const Napi::Value& value) {
  Reader::Failure failure;
  const Request json(value);
  const Reader from(json.root(), "program", failure);
  ProgramRequest request;
  request.program.file = from.Text("file", kMaxPath);
  request.program.arguments = from.Strings("arguments");
  request.program.environment = from.Strings("environment");
  request.program.directory = from.Text("directory", kMaxPath);
  request.limits.time = std::chrono::milliseconds(from.Number("timeoutMs", 1, kLongestMs));
  request.limits.error_bytes = from.Number("errorBytes", 0, kMaxErrorBytes);
  if (!IsFine(value.Env(), failure)) return std::nullopt;
  return request;
}

std::optional<uint32_t> ReadNumber(const Napi::Value& value, const char* name, uint32_t min,
                                   uint32_t max) {
  const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
  if (number >= min && number <= max && std::trunc(number) == number) {
    return static_cast<uint32_t>(number);
  }
  Napi::TypeError::New(value.Env(), "process." + std::string(name) + ": expected a whole number")
      .ThrowAsJavaScriptException();
  return std::nullopt;
}

Napi::Value EncodeResult(Napi::Env env, const exec::ProgramResult& result) {
  Napi::Object object = Napi::Object::New(env);
  if (result.end.status) object.Set("status", Napi::Number::New(env, *result.end.status));
  if (result.end.signal) object.Set("signal", Napi::Number::New(env, *result.end.signal));
  object.Set("errorOutput", Napi::String::New(env, result.error_output));
  object.Set("hasTimedOut", Napi::Boolean::New(env, result.has_timed_out));
  return object;
}

sys::Error Closed() { return {EBADF, "the handle is closed"}; }

}  // namespace

Napi::Value KernelHandle::RunProgram(const Napi::CallbackInfo& info) {
  auto request = ReadRequest(info[0]);
  if (!request) return info.Env().Undefined();
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  if (state_ != State::kOpen) return Refuse(*call);
  const auto settle = [this, deferred = call->deferred](Encode encode) {
    Finish(deferred, std::move(encode));
  };
  const bool accepted =
      engine_->EnterAndFinish([this, settle, request = std::move(*request)](
                                  const sys::Status& entered, const std::function<void()>& finish) {
        const auto done = [settle, finish](const exec::ProgramResult& result) {
          settle([result](Napi::Env env) { return EncodeResult(env, result); });
          finish();
        };
        auto started = entered;
        if (started) started = engine_->processes().Run(request.program, request.limits, done);
        if (started) return;
        settle([started](Napi::Env env) { return WithError(env, started.error()); });
        finish();
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::AdoptProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto pid = ReadNumber(info[0], "pid", 1, kMaxPid);
  if (!pid) return env.Undefined();
  if (state_ != State::kOpen || !engine_) return WithError(env, Closed());
  auto token = engine_->processes().Adopt(
      static_cast<pid_t>(*pid), [this](exec::ProcessWatch::Token ended) { OnProcessEnd(ended); });
  if (!token) return WithError(env, token.error());
  Napi::Object object = Napi::Object::New(env);
  object.Set("token", Napi::Number::New(env, *token));
  return object;
}

Napi::Value KernelHandle::SignalProcess(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto token = ReadNumber(info[0], "token", 0, UINT32_MAX);
  if (!token) return env.Undefined();
  const auto signal = ReadNumber(info[1], "signal", 0, kHighestSignal);
  if (!signal) return env.Undefined();
  if (state_ != State::kOpen || !engine_) return WithError(env, Closed());
  const auto sent = engine_->processes().Signal(*token, static_cast<int>(*signal));
  return sent ? Napi::Object::New(env) : WithError(env, sent.error());
}

Napi::Value KernelHandle::ForgetProcess(const Napi::CallbackInfo& info) {
  const auto token = ReadNumber(info[0], "token", 0, UINT32_MAX);
  if (token && engine_) engine_->processes().Forget(*token);
  return info.Env().Undefined();
}

Napi::Value KernelHandle::NameNetns(const Napi::CallbackInfo& info) {
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen &&
      engine_->Enter([this, deferred = call->deferred](const sys::Status& entered) {
        const auto name = entered ? sys::NameNetns() : entered.error();
        Finish(deferred, [name](Napi::Env env) -> Napi::Value {
          if (!name) return WithError(env, name.error());
          Napi::Object object = Napi::Object::New(env);
          object.Set("value", Napi::String::New(env, *name));
          return object;
        });
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::SendDatagram(const Napi::CallbackInfo& info) {
  Reader::Failure failure;
  const Request json(info[0]);
  const Reader from(json.root(), "datagram", failure);
  const std::string text = from.Text("address", INET_ADDRSTRLEN);
  in_addr address = {};
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) from.Fail("address", "an IPv4 address");
  const auto port = static_cast<uint16_t>(from.Number("port", 1, UINT16_MAX));
  std::vector<uint8_t> bytes;
  if (info[1].IsBuffer()) {
    const auto buffer = info[1].As<Napi::Buffer<uint8_t>>();
    bytes.assign(buffer.Data(), buffer.Data() + buffer.Length());
  }
  if (bytes.empty() || bytes.size() > kMaxDatagram) from.Fail("bytes", "a buffer of one packet");
  if (!IsFine(info.Env(), failure)) return info.Env().Undefined();
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen && engine_->Enter([this, deferred = call->deferred, address, port,
                                                bytes](const sys::Status& entered) {
        FinishStatus(deferred, entered ? sys::SendDatagram(address, port, bytes) : entered);
      });
  return accepted ? call->promise : Refuse(*call);
}

// Whoever watches a process is not kept alive by it: it may outlive us by years.
void KernelHandle::OnProcessEnd(exec::ProcessWatch::Token token) {
  mailbox_->Post([this, token](Napi::Env env) {
    const Napi::Object self = Value();
    if (self.IsEmpty()) return;
    const Napi::Value listener = self.Get(kOnProcessEnd);
    if (listener.IsFunction()) listener.As<Napi::Function>().Call({Napi::Number::New(env, token)});
  });
}

}  // namespace snnet::napi
