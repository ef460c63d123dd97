// SPDX-License-Identifier: Apache-2.0
#include "napi/mailbox.h"

#include <memory>

namespace snnet::napi {
namespace {

void Deliver(napi_env env, napi_value, void*, void* data) {
  const std::unique_ptr<Mailbox::Letter> letter(static_cast<Mailbox::Letter*>(data));
  if (env == nullptr) return;
  const Napi::HandleScope scope(env);
  if (!CanRunScript(env)) return;
  (*letter)(env);
  const Napi::Env here(env);
  if (!here.IsExceptionPending()) return;
  // Node would only warn of it: what a listener throws is uncaught like any other.
  const Napi::Error thrown = here.GetAndClearPendingException();
  napi_fatal_exception(env, thrown.Value());
}

}  // namespace

bool CanRunScript(Napi::Env env) {
  napi_value object = nullptr;
  napi_value value = nullptr;
  return napi_create_object(env, &object) == napi_ok && napi_get_null(env, &value) == napi_ok &&
         napi_set_named_property(env, object, "x", value) == napi_ok;
}

Mailbox::Mailbox(Napi::Env env) : env_(env) {
  const napi_value name = Napi::String::New(env, "libsnnet");
  const napi_status status = napi_create_threadsafe_function(
      env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, Deliver, &function_);
  if (status != napi_ok) {
    Napi::Error::New(env, "libsnnet: cannot create a thread-safe function")
        .ThrowAsJavaScriptException();
    return;
  }
  Drop();
}

Mailbox::~Mailbox() {
  if (function_ != nullptr) napi_release_threadsafe_function(function_, napi_tsfn_abort);
}

void Mailbox::Post(Letter letter) {
  if (function_ == nullptr) return;
  auto owned = std::make_unique<Letter>(std::move(letter));
  if (napi_call_threadsafe_function(function_, owned.get(), napi_tsfn_nonblocking) == napi_ok) {
    static_cast<void>(owned.release());  // Deliver() owns it now
  }
}

void Mailbox::Hold() {
  if (function_ != nullptr) napi_ref_threadsafe_function(env_, function_);
}

void Mailbox::Drop() {
  if (function_ != nullptr) napi_unref_threadsafe_function(env_, function_);
}

}  // namespace snnet::napi
