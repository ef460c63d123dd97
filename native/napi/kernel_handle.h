// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "exec/engine.h"
#include "napi/mailbox.h"

namespace snnet::napi {

// What JS holds: one engine, one namespace. All methods run on the JS thread of the environment
// that opened it; each returns a promise that settles with plain data (`{ error }` where the kernel
// or the handle refused), so that the TypeScript side makes the errors and they carry its stack.
class KernelHandle : public Napi::ObjectWrap<KernelHandle> {
 public:
  static Napi::Function Define(Napi::Env env);

  explicit KernelHandle(const Napi::CallbackInfo& info);
  ~KernelHandle() override;
  KernelHandle(const KernelHandle&) = delete;
  KernelHandle& operator=(const KernelHandle&) = delete;

 private:
  Napi::Value Open(const Napi::CallbackInfo& info);
  Napi::Value Run(const Napi::CallbackInfo& info);
  Napi::Value Dump(const Napi::CallbackInfo& info);
  Napi::Value ReadSysctl(const Napi::CallbackInfo& info);
  Napi::Value Watch(const Napi::CallbackInfo& info);
  Napi::Value Settle(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);
  // kernel_netfilter.cc
  Napi::Value NftTable(const Napi::CallbackInfo& info);
  Napi::Value NftOverview(const Napi::CallbackInfo& info);
  Napi::Value NftRules(const Napi::CallbackInfo& info);
  Napi::Value NftGeneration(const Napi::CallbackInfo& info);
  Napi::Value Conntrack(const Napi::CallbackInfo& info);
  Napi::Value WatchNft(const Napi::CallbackInfo& info);

  // A promise in the making; while one is open the handle and the event loop stay alive.
  struct Call {
    napi_deferred deferred;
    Napi::Value promise;
  };
  using Encode = std::function<Napi::Value(Napi::Env)>;
  // Nothing where the environment ends.
  std::optional<Call> Begin(Napi::Env env);
  // Any thread. `resolved` is called when the promise has its value, unless it cannot have it any
  // more.
  void Finish(napi_deferred deferred, Encode encode, std::function<void()> resolved = {});
  void FinishStatus(napi_deferred deferred, const sys::Status& status);
  Napi::Value Refuse(const Call& call);
  static Napi::Value WithError(Napi::Env env, const sys::Error& error);
  template <typename T, typename Read, typename EncodeOne>
  Napi::Value Ask(Napi::Env env, Read read, EncodeOne encode);
  void Hold();
  void Drop();
  // Any thread.
  void OnEvents(std::vector<exec::LinkEvent> events);
  void SetInterest(exec::Monitor::Interest interest);
  void OnNftEvents(std::vector<exec::NftEvent> events);
  void SetNftInterest(bool on);
  static void EndThreads(void* self);

  std::unique_ptr<Mailbox> mailbox_;
  size_t pending_ = 0;
  enum class State { kNew, kOpen, kClosed } state_ = State::kNew;
  // Events on their way to JS; where they pile up they are dropped and the listener reads anew.
  std::atomic<size_t> undelivered_ = 0;
  std::atomic<bool> has_overflowed_ = false;
  exec::Monitor::Interest interest_ = exec::Monitor::Interest::kNone;
  bool watches_nft_ = false;
  // Last: its threads post to the mailbox.
  std::unique_ptr<exec::Engine> engine_;
};

}  // namespace snnet::napi
