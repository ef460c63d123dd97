// SPDX-License-Identifier: Apache-2.0
//
// The part of KernelHandle that reads nf_tables and connection tracking.
#include "napi/decode_nft.h"
#include "napi/encode_nft.h"
#include "napi/kernel_handle.h"
#include "napi/request.h"

namespace snnet::napi {
namespace {

constexpr const char* kOnNftEvents = "onNftEvents";

Napi::Value Thrown(Napi::Env env, const Reader::Failure& failure) {
  Napi::TypeError::New(env, failure.text).ThrowAsJavaScriptException();
  return env.Undefined();
}

nft::TableName DecodePlace(const Reader& from) {
  return {static_cast<uint8_t>(DecodeName(from, "family", kFamilies)),
          DecodeNftName(from, "table")};
}

Napi::Value EncodeGeneration(Napi::Env env, uint32_t generation) {
  return Napi::Number::New(env, generation);
}

}  // namespace

// `{ value }`, or `{ error }`.
template <typename T, typename Read, typename EncodeOne>
Napi::Value KernelHandle::Ask(Napi::Env env, Read read, EncodeOne encode) {
  const auto call = Begin(env);
  if (!call) return env.Undefined();
  const auto question = [this, deferred = call->deferred, read = std::move(read),
                         encode](const sys::Result<nl::Socket*>& socket) {
    using Answer = sys::Result<T>;
    auto answer = std::make_shared<Answer>(socket ? read(**socket) : Answer(socket.error()));
    Finish(deferred, [answer, encode](Napi::Env here) -> Napi::Value {
      if (!*answer) return WithError(here, answer->error());
      Napi::Object object = Napi::Object::New(here);
      object.Set("value", encode(here, **answer));
      return object;
    });
  };
  const bool accepted = state_ == State::kOpen && engine_->Ask(question);
  return accepted ? call->promise : Refuse(*call);
}

Napi::Value KernelHandle::NftTable(const Napi::CallbackInfo& info) {
  Reader::Failure failure;
  const Request request(info[0]);
  const nft::TableName name = DecodePlace(Reader(request.root(), "nftTable", failure));
  if (!failure.text.empty()) return Thrown(info.Env(), failure);
  return Ask<std::optional<nft::TableState>>(
      info.Env(), [name](nl::Socket& socket) { return nft::DumpTable(socket, name); },
      EncodeTableState);
}

Napi::Value KernelHandle::NftOverview(const Napi::CallbackInfo& info) {
  return Ask<nft::Overview>(info.Env(), nft::DumpOverview, EncodeOverview);
}

Napi::Value KernelHandle::NftRules(const Napi::CallbackInfo& info) {
  Reader::Failure failure;
  const Request request(info[0]);
  const Reader from(request.root(), "nftRules", failure);
  const nft::TableName name = DecodePlace(from);
  const std::string chain = DecodeNftName(from, "chain");
  if (!failure.text.empty()) return Thrown(info.Env(), failure);
  return Ask<std::vector<nft::RuleRow>>(
      info.Env(), [name, chain](nl::Socket& socket) { return nft::DumpRules(socket, name, chain); },
      EncodeRules);
}

Napi::Value KernelHandle::NftGeneration(const Napi::CallbackInfo& info) {
  return Ask<uint32_t>(info.Env(), nft::Generation, EncodeGeneration);
}

Napi::Value KernelHandle::Conntrack(const Napi::CallbackInfo& info) {
  Reader::Failure failure;
  const Request request(info[0]);
  const nft::FlowFilter filter = DecodeFlowFilter(Reader(request.root(), "conntrack", failure));
  if (!failure.text.empty()) return Thrown(info.Env(), failure);
  return Ask<Table>(
      info.Env(),
      [filter](nl::Socket& socket) -> sys::Result<Table> {
        auto flows = nft::DumpFlows(socket, filter);
        if (!flows) return flows.error();
        Table table;
        for (const nft::Flow& flow : *flows) AddFlow(table, flow);
        return table;
      },
      EncodeTable);
}

Napi::Value KernelHandle::WatchNft(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction() && !info[0].IsUndefined()) {
    Napi::TypeError::New(info.Env(), "watchNft: expected a function or nothing")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  const auto call = Begin(info.Env());
  if (!call) return info.Env().Undefined();
  const bool on = info[0].IsFunction();
  const bool accepted =
      state_ == State::kOpen &&
      engine_->WatchNft(on, [this, deferred = call->deferred](const sys::Status& status) {
        FinishStatus(deferred, status);
      });
  if (!accepted) return Refuse(*call);
  Value().Set(kOnNftEvents, info[0]);
  SetNftInterest(on);
  return call->promise;
}

void KernelHandle::SetNftInterest(bool on) {
  if (!watches_nft_ && on) Ref();
  if (watches_nft_ && !on) Unref();
  watches_nft_ = on;
}

// Any thread. Nothing is dropped: a transaction makes one event, however much it changes.
void KernelHandle::OnNftEvents(std::vector<exec::NftEvent> events) {
  auto kept = std::make_shared<std::vector<exec::NftEvent>>(std::move(events));
  mailbox_->Post([this, kept](Napi::Env env) {
    if (!watches_nft_) return;
    const Napi::Object self = Value();
    if (self.IsEmpty()) return;
    const Napi::Value listener = self.Get(kOnNftEvents);
    if (listener.IsFunction()) listener.As<Napi::Function>().Call({EncodeNftEvents(env, *kept)});
  });
}

}  // namespace snnet::napi
