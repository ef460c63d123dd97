// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "rtnl/link.h"
#include "sys/json.h"

namespace snnet::napi {

constexpr size_t kLinkNameBytes = 15;  // IFNAMSIZ less its zero

// What a hexadecimal digit is worth; -1: it is none.
int HexDigit(char c);

// Reads the fields of one object into C++ values, checking type and range. The first bad field
// is remembered; what is read after it is meaningless and must not be used.
class Reader {
 public:
  using Bytes = std::shared_ptr<const std::vector<uint8_t>>;
  struct Failure {
    std::string text;
    // What the object refers to by number, being too much for a text.
    const std::vector<Bytes>* buffers = nullptr;
  };

  // `value` is nothing where the object is absent; it must outlive the reader.
  Reader(const sys::JsonValue* value, std::string path, Failure& failure);

  bool Has(const char* name) const;
  bool IsText(const char* name) const;
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
  int64_t Integer(const char* name, int64_t min, int64_t max) const;
  bool Flag(const char* name) const;
  // Of the buffers that came with the object.
  Bytes Buffer(const char* name) const;
  rtnl::Ipv4 Address(const char* name) const;
  std::vector<uint8_t> HardwareAddress(const char* name) const;
  rtnl::Mac MacAddress(const char* name) const;

  std::optional<std::string> MaybeText(const char* name, size_t max_bytes) const;
  std::optional<uint32_t> MaybeNumber(const char* name, uint32_t min, uint32_t max) const;
  std::optional<bool> MaybeFlag(const char* name) const;

  void Fail(const char* name, const char* expected) const;

 private:
  const sys::JsonValue* Get(const char* name) const;
  std::string ToText(const sys::JsonValue* value, const char* name, size_t max_bytes) const;
  uint32_t ToNumber(const sys::JsonValue* value, const char* name, uint32_t min,
                    uint32_t max) const;
  bool ToFlag(const sys::JsonValue* value, const char* name) const;
  template <typename Add>
  void ForEach(const char* name, const char* expected, const Add& add) const;

  const sys::JsonValue* value_;
  std::string path_;
  Failure& failure_;
};

}  // namespace snnet::napi
