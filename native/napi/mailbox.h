// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <functional>

namespace snnet::napi {

// False while the environment is being torn down (a worker is terminated): values can be made then,
// but not passed to JS, and what N-API gives may be empty. It can happen at any moment.
bool CanRunScript(Napi::Env env);

// Carries work from any thread to the JS thread, in order. Letters that arrive while the
// environment is being torn down are dropped unread.
class Mailbox {
 public:
  using Letter = std::function<void(Napi::Env)>;

  // JS thread.
  explicit Mailbox(Napi::Env env);
  ~Mailbox();
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Any thread.
  void Post(Letter letter);

  // JS thread. While held, the event loop stays alive.
  void Hold();
  void Drop();

 private:
  napi_env env_;
  napi_threadsafe_function function_ = nullptr;
};

}  // namespace snnet::napi
