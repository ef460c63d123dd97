// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "rtnl/link.h"

namespace snnet::napi {

// Reads the fields of one JS object into C++ values, checking type and range. The first bad field
// is remembered; what is read after it is meaningless and must not be used.
class Reader {
 public:
  struct Failure {
    std::string text;
  };

  Reader(const Napi::Value& value, std::string path, Failure& failure);

  bool Has(const char* name) const;
  // Unchecked; undefined where it cannot be read.
  Napi::Value Field(const char* name) const { return Get(name); }
  Reader Child(const char* name) const;
  // What stands after the first bad element is not read.
  std::vector<Reader> Children(const char* name) const;
  // None where the field is absent.
  std::vector<Reader> MaybeChildren(const char* name) const;
  std::vector<std::string> Strings(const char* name) const;

  std::string Text(const char* name, size_t max_bytes) const;
  // A name that a link can be given; the kernel would fill in a `%d`, and invent one for none.
  std::string LinkName(const char* name) const;
  uint32_t Number(const char* name, uint32_t min, uint32_t max) const;
  bool Flag(const char* name) const;
  rtnl::Ipv4 Address(const char* name) const;
  std::vector<uint8_t> HardwareAddress(const char* name) const;
  rtnl::Mac MacAddress(const char* name) const;

  std::optional<std::string> MaybeText(const char* name, size_t max_bytes) const;
  std::optional<uint32_t> MaybeNumber(const char* name, uint32_t min, uint32_t max) const;
  std::optional<bool> MaybeFlag(const char* name) const;

  void Fail(const char* name, const char* expected) const;

 private:
  Napi::Value Get(const char* name) const;
  std::string ToText(const Napi::Value& value, const char* name, size_t max_bytes) const;
  uint32_t ToNumber(const Napi::Value& value, const char* name, uint32_t min, uint32_t max) const;
  bool ToFlag(const Napi::Value& value, const char* name) const;
  Napi::Value Checked(const Napi::Value& value, const char* name, const char* expected) const;
  template <typename Add>
  void ForEach(const char* name, const char* expected, const Add& add) const;

  Napi::Object object_;
  std::string path_;
  Failure& failure_;
};

}  // namespace snnet::napi
