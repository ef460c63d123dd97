// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <optional>

#include "sys/json.h"

namespace snnet::napi {

// What JS asks for comes as JSON, as plans do; anything else has no root.
class Request {
 public:
  explicit Request(const Napi::Value& value)
      : document_(value.IsString() ? sys::JsonDocument::Parse(value.As<Napi::String>().Utf8Value())
                                   : std::nullopt) {}

  const sys::JsonValue* root() const { return document_ ? &document_->root() : nullptr; }

 private:
  std::optional<sys::JsonDocument> document_;
};

}  // namespace snnet::napi
