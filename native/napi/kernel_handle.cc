// SPDX-License-Identifier: Apache-2.0
#include "napi/kernel_handle.h"

#include <map>
#include <optional>

#include "napi/decode_step.h"
#include "napi/encode.h"
#include "rtnl/address.h"
#include "rtnl/neighbour.h"
#include "rtnl/route.h"

namespace snnet::napi {
namespace {

constexpr const char* kOnTable = "onTable";
// JS reads a part of a dump while the kernel makes the next.
constexpr size_t kPartRows = 500;
// Some 200 bytes each.
constexpr size_t kMaxUndelivered = 16 * 1024;

using AddRow = void (*)(Table&, nlmsghdr*);
struct DumpKind {
  nl::Message (*request)();
  AddRow add;
};

template <auto kRead, auto kAdd>
void AddRowOf(Table& table, nlmsghdr* header) {
  if (auto row = kRead(header)) kAdd(table, *row);
}

const std::map<std::string, DumpKind>& DumpKinds() {
  static const std::map<std::string, DumpKind> kinds = {
      {"link", {rtnl::DumpLinks, AddRowOf<rtnl::ReadLink, AddLink>}},
      {"address", {rtnl::DumpAddresses, AddRowOf<rtnl::ReadAddress, AddAddress>}},
      {"route", {rtnl::DumpRoutes, AddRowOf<rtnl::ReadRoute, AddRoute>}},
      {"neighbour", {rtnl::DumpNeighbours, AddRowOf<rtnl::ReadNeighbour, AddNeighbour>}},
      {"fdb", {rtnl::DumpFdb, AddRowOf<rtnl::ReadNeighbour, AddNeighbour>}}};
  return kinds;
}

// A string without NUL, or a TypeError and nothing.
std::optional<std::string> ReadString(const Napi::Value& value, const char* what) {
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.find('\0') == std::string::npos) return text;
  }
  Napi::TypeError::New(value.Env(), std::string("expected a string: ") + what)
      .ThrowAsJavaScriptException();
  return std::nullopt;
}

// Bytes that a plan refers to, copied once each; a TypeError and nothing for anything else.
std::optional<std::vector<Reader::Bytes>> ReadBuffers(const Napi::Value& value) {
  std::vector<Reader::Bytes> buffers;
  if (value.IsUndefined()) return buffers;
  const auto array = value.IsArray() ? value.As<Napi::Array>() : Napi::Array();
  const uint32_t count = array.IsEmpty() ? 0 : array.Length();
  for (uint32_t i = 0; i < count; ++i) {
    const Napi::Value item = array.Get(i);
    const bool is_bytes = !item.IsEmpty() && item.IsTypedArray() &&
                          item.As<Napi::TypedArray>().TypedArrayType() == napi_uint8_array;
    if (!is_bytes) break;
    const auto bytes = item.As<Napi::Uint8Array>();
    const size_t length = bytes.ByteLength();
    const uint8_t* const data = length == 0 ? nullptr : bytes.Data();
    buffers.push_back(std::make_shared<const std::vector<uint8_t>>(data, data + length));
  }
  if (!array.IsEmpty() && buffers.size() == count) return buffers;
  if (value.Env().IsExceptionPending()) value.Env().GetAndClearPendingException();
  Napi::TypeError::New(value.Env(), "run: expected an array of Uint8Array")
      .ThrowAsJavaScriptException();
  return std::nullopt;
}

}  // namespace

Napi::Function KernelHandle::Define(Napi::Env env) {
  return DefineClass(
      env, "KernelHandle",
      {InstanceMethod<&KernelHandle::Open>("open"), InstanceMethod<&KernelHandle::Run>("run"),
       InstanceMethod<&KernelHandle::Dump>("dump"),
       InstanceMethod<&KernelHandle::ReadSysctl>("readSysctl"),
       InstanceMethod<&KernelHandle::Watch>("watch"),
       InstanceMethod<&KernelHandle::Settle>("settle"),
       InstanceMethod<&KernelHandle::Close>("close"),
       InstanceMethod<&KernelHandle::NftTable>("nftTable"),
       InstanceMethod<&KernelHandle::NftOverview>("nftOverview"),
       InstanceMethod<&KernelHandle::NftRules>("nftRules"),
       InstanceMethod<&KernelHandle::NftGeneration>("nftGeneration"),
       InstanceMethod<&KernelHandle::Conntrack>("conntrack"),
       InstanceMethod<&KernelHandle::WatchNft>("watchNft"),
       InstanceMethod<&KernelHandle::RunProgram>("runProgram"),
       InstanceMethod<&KernelHandle::AdoptProcess>("adoptProcess"),
       InstanceMethod<&KernelHandle::SignalProcess>("signalProcess"),
       InstanceMethod<&KernelHandle::ForgetProcess>("forgetProcess"),
       InstanceMethod<&KernelHandle::NameNetns>("nameNetns"),
       InstanceMethod<&KernelHandle::SendDatagram>("sendDatagram")});
}

KernelHandle::KernelHandle(const Napi::CallbackInfo& info) : Napi::ObjectWrap<KernelHandle>(info) {
  if (!info[0].IsFunction()) {
    Napi::TypeError::New(info.Env(), "KernelHandle: expected a function for tables")
        .ThrowAsJavaScriptException();
    return;
  }
  // Held by the object and not from here: the function knows the object's owner, so that neither
  // would ever be collected.
  Value().DefineProperty(Napi::PropertyDescriptor::Value(kOnTable, info[0]));
  mailbox_ = std::make_unique<Mailbox>(info.Env());
  engine_ = std::make_unique<exec::Engine>(
      [this](std::vector<exec::LinkEvent> events) { OnEvents(std::move(events)); },
      [this](std::vector<exec::NftEvent> events) { OnNftEvents(std::move(events)); });
  // After the mailbox: hooks run last first, so the threads end before what they post to.
  napi_add_env_cleanup_hook(info.Env(), EndThreads, this);
}

KernelHandle::~KernelHandle() {
  // The hook has run where there is no mailbox any more.
  if (mailbox_) napi_remove_env_cleanup_hook(Env(), EndThreads, this);
  engine_.reset();
  mailbox_.reset();
}

// The environment goes (a worker ends, the process exits) with the handle still there.
void KernelHandle::EndThreads(void* self) {
  auto* handle = static_cast<KernelHandle*>(self);
  handle->engine_.reset();
  handle->mailbox_.reset();
}

// By hand, because node-addon-api's Deferred does not say that there is no promise.
std::optional<KernelHandle::Call> KernelHandle::Begin(Napi::Env env) {
  napi_deferred deferred = nullptr;
  napi_value promise = nullptr;
  if (napi_create_promise(env, &deferred, &promise) != napi_ok) return std::nullopt;
  Hold();
  return Call{deferred, {env, promise}};
}

void KernelHandle::Hold() {
  if (pending_++ > 0) return;
  Ref();
  mailbox_->Hold();
}

void KernelHandle::Drop() {
  if (--pending_ > 0) return;
  mailbox_->Drop();
  Unref();
}

void KernelHandle::Finish(napi_deferred deferred, Encode encode, std::function<void()> resolved) {
  mailbox_->Post(
      [this, deferred, encode = std::move(encode), resolved = std::move(resolved)](Napi::Env env) {
        const Napi::Value value = encode(env);
        const bool has_value = napi_resolve_deferred(env, deferred, value) == napi_ok;
        if (has_value && resolved) resolved();
        Drop();
      });
}

void KernelHandle::FinishStatus(napi_deferred deferred, const sys::Status& status) {
  Finish(deferred, [status](Napi::Env env) -> Napi::Value {
    return status ? Napi::Object::New(env) : WithError(env, status.error());
  });
}

Napi::Value KernelHandle::Refuse(const Call& call) {
  const Napi::Env env = call.promise.Env();
  const sys::Error closed{EBADF, "the handle is closed"};
  static_cast<void>(napi_resolve_deferred(env, call.deferred, WithError(env, closed)));
  Drop();
  return call.promise;
}

Napi::Value KernelHandle::Open(const Napi::CallbackInfo& info) {
  auto path = ReadString(info[0], "network namespace");
  if (!path) return info.Env().Undefined();
  if (state_ != State::kNew || !info[1].IsBoolean()) {
    Napi::TypeError::New(
        info.Env(), state_ != State::kNew ? "open: called before" : "expected a boolean: fresh")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  state_ = State::kOpen;
  engine_->Open({std::move(*path), info[1].As<Napi::Boolean>().Value()},
                [this, deferred = call->deferred](const sys::Status& status) {
                  FinishStatus(deferred, status);
                });
  return call->promise;
}

Napi::Value KernelHandle::Run(const Napi::CallbackInfo& info) {
  auto text = ReadString(info[0], "a plan");
  if (!text) return info.Env().Undefined();
  auto buffers = ReadBuffers(info[1]);
  if (!buffers) return info.Env().Undefined();
  std::string why;
  auto plan = DecodePlan(std::move(*text), *buffers, why);
  if (!plan) {
    Napi::TypeError::New(info.Env(), why).ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen &&
      engine_->Run(std::move(*plan), [this, deferred = call->deferred](exec::PlanReply reply) {
        auto kept = std::make_shared<exec::PlanReply>(std::move(reply));
        // Queues are the caller's when it has their numbers; else they are closed with the reply.
        Finish(
            deferred, [kept](Napi::Env env) -> Napi::Value { return EncodeReply(env, *kept); },
            [kept] { kept->outcome.ReleaseQueues(); });
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::Dump(const Napi::CallbackInfo& info) {
  const auto kind =
      DumpKinds().find(info[0].IsString() ? info[0].As<Napi::String>().Utf8Value() : "");
  if (kind == DumpKinds().end() || !info[1].IsNumber()) {
    Napi::TypeError::New(info.Env(), "dump: expected the name of a table and a number")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  struct Progress {
    Table table;
    size_t rows = 0;
    bool is_read = false;  // a part of it went to JS
  };
  auto progress = std::make_shared<Progress>();
  const uint32_t dump = info[1].As<Napi::Number>().Uint32Value();
  const AddRow add = kind->second.add;
  exec::DumpRequest request{
      kind->second.request,
      [this, progress, dump] {
        progress->table.Clear();
        progress->rows = 0;
        if (!std::exchange(progress->is_read, false)) return;
        mailbox_->Post([this, dump](Napi::Env env) { Deliver(env, nullptr, dump); });
      },
      [this, progress, add, dump](nlmsghdr* header) {
        add(progress->table, header);
        if (++progress->rows % kPartRows != 0) return;
        progress->is_read = true;
        auto part = std::make_shared<Table>(std::exchange(progress->table, Table()));
        mailbox_->Post([this, part, dump](Napi::Env env) { Deliver(env, part.get(), dump); });
      }};
  const bool accepted =
      state_ == State::kOpen &&
      engine_->Dump(std::move(request), [this, deferred = call->deferred,
                                         progress](const sys::Status& status) {
        Finish(deferred, [status, progress](Napi::Env env) {
          return status ? EncodeTable(env, progress->table) : WithError(env, status.error());
        });
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::ReadSysctl(const Napi::CallbackInfo& info) {
  auto name = ReadString(info[0], "sysctl");
  if (!name) return info.Env().Undefined();
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen &&
      engine_->ReadSysctl(std::move(*name), [this, deferred = call->deferred](
                                                const sys::Result<std::string>& result) {
        Finish(deferred, [result](Napi::Env env) -> Napi::Value {
          if (!result) return WithError(env, result.error());
          Napi::Object object = Napi::Object::New(env);
          object.Set("value", Napi::String::New(env, *result));
          return object;
        });
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::Watch(const Napi::CallbackInfo& info) {
  using Interest = exec::Monitor::Interest;
  static const std::map<std::string, Interest> kInterests = {
      {"none", Interest::kNone}, {"deletions", Interest::kDeletions}, {"all", Interest::kAll}};
  const auto wanted = ReadString(info[0], "none, deletions or all");
  if (!wanted) return info.Env().Undefined();
  const auto interest = kInterests.find(*wanted);
  if (interest == kInterests.end()) {
    Napi::TypeError::New(info.Env(), "watch: expected none, deletions or all")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen && engine_->Watch(interest->second, [this, deferred = call->deferred](
                                                                     const sys::Status& status) {
        FinishStatus(deferred, status);
      });
  if (!accepted) return Refuse(*call);
  SetInterest(interest->second);
  return call->promise;
}

// Who watches wants to hear even if nothing else refers to the handle.
void KernelHandle::SetInterest(exec::Monitor::Interest interest) {
  using Interest = exec::Monitor::Interest;
  if (interest_ == Interest::kNone && interest != Interest::kNone) Ref();
  if (interest_ != Interest::kNone && interest == Interest::kNone) Unref();
  interest_ = interest;
}

Napi::Value KernelHandle::Settle(const Napi::CallbackInfo& info) {
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool accepted =
      state_ == State::kOpen &&
      engine_->Settle([this, deferred = call->deferred](const std::vector<sys::Error>& failures) {
        Finish(deferred, [failures](Napi::Env env) -> Napi::Value {
          Napi::Array array = Napi::Array::New(env, failures.size());
          for (size_t i = 0; i < failures.size(); ++i) {
            array.Set(static_cast<uint32_t>(i), EncodeError(env, failures[i]));
          }
          return array;
        });
      });
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::Close(const Napi::CallbackInfo& info) {
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  if (state_ != State::kOpen) return Refuse(*call);
  state_ = State::kClosed;
  SetInterest(exec::Monitor::Interest::kNone);
  SetNftInterest(false);
  engine_->Close([this, deferred = call->deferred] {
    Finish(deferred, [this](Napi::Env env) -> Napi::Value {
      // Joins the thread that posted this, which has nothing left to do, and gives up every
      // descriptor.
      engine_.reset();
      return Napi::Object::New(env);
    });
  });
  return call->promise;
}

void KernelHandle::OnEvents(std::vector<exec::LinkEvent> events) {
  if (has_overflowed_) return;
  if (undelivered_ + events.size() > kMaxUndelivered) {
    has_overflowed_ = true;
    events.assign(1, {exec::LinkEvent::Kind::kResync, {}});
  }
  auto table = std::make_shared<Table>();
  for (const exec::LinkEvent& event : events) AddEvent(*table, event);
  const size_t count = events.size();
  undelivered_ += count;
  mailbox_->Post([this, table, count](Napi::Env env) {
    // The one that says so comes last; what changes from here on is heard again.
    if ((undelivered_ -= count) == 0) has_overflowed_ = false;
    if (interest_ == exec::Monitor::Interest::kNone) return;
    Deliver(env, table.get(), 0);
  });
}

// A part of a dump, or what happened (`dump` is 0). Nothing: the kernel was interrupted, and what
// came of the dump counts for nothing.
void KernelHandle::Deliver(Napi::Env env, const Table* table, uint32_t dump) {
  const Napi::Object self = Value();
  if (self.IsEmpty()) return;
  const Napi::Value listener = self.Get(kOnTable);
  if (!listener.IsFunction()) return;
  const Napi::Value rows = table == nullptr ? env.Undefined() : EncodeTable(env, *table);
  listener.As<Napi::Function>().Call({rows, Napi::Number::New(env, dump)});
}

}  // namespace snnet::napi
