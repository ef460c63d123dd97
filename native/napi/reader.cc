// SPDX-License-Identifier: Apache-2.0
#include "napi/reader.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>

namespace snnet::napi {
namespace {

using Kind = sys::JsonValue::Kind;

const sys::JsonValue kEmpty;

// "aa:bb:…"; empty where it is malformed.
std::vector<uint8_t> ParseBytes(const std::string& text) {
  std::vector<uint8_t> bytes;
  if (text.size() % 3 != 2) return {};
  for (size_t i = 0; i < text.size(); i += 3) {
    const int high = HexDigit(text[i]);
    const int low = HexDigit(text[i + 1]);
    const bool separated = i + 2 >= text.size() || text[i + 2] == ':';
    if (high < 0 || low < 0 || !separated) return {};
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  return bytes;
}

}  // namespace

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

Reader::Reader(const sys::JsonValue* value, std::string path, Failure& failure)
    : value_(value), path_(std::move(path)), failure_(failure) {
  if (value_ != nullptr && value_->kind == Kind::kObject) return;
  value_ = &kEmpty;
  if (failure_.text.empty()) failure_.text = path_ + ": expected an object";
}

void Reader::Fail(const char* name, const char* expected) const {
  if (failure_.text.empty()) failure_.text = path_ + "." + name + ": expected " + expected;
}

const sys::JsonValue* Reader::Get(const char* name) const { return value_->Find(name); }

bool Reader::Has(const char* name) const { return Get(name) != nullptr; }

bool Reader::IsText(const char* name) const {
  const sys::JsonValue* const value = Get(name);
  return value != nullptr && value->kind == Kind::kString;
}

Reader Reader::Child(const char* name) const {
  return Reader(Get(name), path_ + "." + name, failure_);
}

template <typename Add>
void Reader::ForEach(const char* name, const char* expected, const Add& add) const {
  const sys::JsonValue* const value = Get(name);
  if (value == nullptr || value->kind != Kind::kArray) return Fail(name, expected);
  for (size_t i = 0; i < value->items.size() && failure_.text.empty(); ++i) add(value->items[i], i);
}

std::vector<Reader> Reader::Children(const char* name) const {
  std::vector<Reader> children;
  ForEach(name, "an array", [&](const sys::JsonValue& item, size_t i) {
    children.emplace_back(&item, path_ + "." + name + "[" + std::to_string(i) + "]", failure_);
  });
  return children;
}

std::vector<Reader> Reader::MaybeChildren(const char* name) const {
  if (!Has(name)) return {};
  return Children(name);
}

std::vector<std::string> Reader::Strings(const char* name) const {
  constexpr const char* kExpected = "an array of strings";
  std::vector<std::string> strings;
  if (!Has(name)) return strings;
  ForEach(name, kExpected, [&](const sys::JsonValue& item, size_t) {
    const bool is_text =
        item.kind == Kind::kString && item.text.find('\0') == std::string_view::npos;
    if (!is_text) return Fail(name, kExpected);
    strings.emplace_back(item.text);
  });
  return strings;
}

std::string Reader::LinkName(const char* name) const {
  std::string text = Text(name, kLinkNameBytes);
  const bool is_odd = text.empty() || text == "." || text == ".." ||
                      text.find_first_of("/:% \f\n\r\t\v") != std::string::npos;
  if (is_odd) Fail(name, "the name of a link");
  return text;
}

std::string Reader::Text(const char* name, size_t max_bytes) const {
  return ToText(Get(name), name, max_bytes);
}

std::string Reader::ToText(const sys::JsonValue* value, const char* name, size_t max_bytes) const {
  const bool is_text = value != nullptr && value->kind == Kind::kString;
  if (is_text && value->text.size() <= max_bytes &&
      value->text.find('\0') == std::string_view::npos) {
    return std::string(value->text);
  }
  Fail(name, ("a string of at most " + std::to_string(max_bytes) + " bytes").c_str());
  return {};
}

uint32_t Reader::Number(const char* name, uint32_t min, uint32_t max) const {
  return ToNumber(Get(name), name, min, max);
}

uint32_t Reader::ToNumber(const sys::JsonValue* value, const char* name, uint32_t min,
                          uint32_t max) const {
  if (value != nullptr && value->kind == Kind::kNumber) {
    const double number = value->number;
    if (number >= min && number <= max && std::trunc(number) == number) {
      return static_cast<uint32_t>(number);
    }
  }
  Fail(name, ("a whole number from " + std::to_string(min) + " to " + std::to_string(max)).c_str());
  return min;
}

int64_t Reader::Integer(const char* name, int64_t min, int64_t max) const {
  const sys::JsonValue* const value = Get(name);
  const double number = value != nullptr && value->kind == Kind::kNumber ? value->number : NAN;
  const bool is_within = number >= static_cast<double>(min) && number <= static_cast<double>(max);
  if (is_within && std::trunc(number) == number) return static_cast<int64_t>(number);
  Fail(name, ("a whole number from " + std::to_string(min) + " to " + std::to_string(max)).c_str());
  return min;
}

Reader::Bytes Reader::Buffer(const char* name) const {
  const sys::JsonValue* const value = Get(name);
  const size_t count = failure_.buffers == nullptr ? 0 : failure_.buffers->size();
  if (value != nullptr && value->kind == Kind::kNumber) {
    for (size_t i = 0; i < count; ++i) {
      if (value->number == static_cast<double>(i)) return (*failure_.buffers)[i];
    }
  }
  Fail(name, "a Uint8Array");
  return {};
}

bool Reader::Flag(const char* name) const { return ToFlag(Get(name), name); }

bool Reader::ToFlag(const sys::JsonValue* value, const char* name) const {
  if (value != nullptr && value->kind == Kind::kBoolean) return value->boolean;
  Fail(name, "a boolean");
  return false;
}

rtnl::Ipv4 Reader::Address(const char* name) const {
  rtnl::Ipv4 address = 0;
  const std::string text = Text(name, INET_ADDRSTRLEN);
  if (inet_pton(AF_INET, text.c_str(), &address) != 1) Fail(name, "an IPv4 address");
  return address;
}

std::vector<uint8_t> Reader::HardwareAddress(const char* name) const {
  const std::string text = Text(name, 64);
  rtnl::Ipv4 ipv4 = 0;
  if (inet_pton(AF_INET, text.c_str(), &ipv4) == 1) {
    const auto* bytes = reinterpret_cast<const uint8_t*>(&ipv4);
    return {bytes, bytes + sizeof ipv4};
  }
  std::vector<uint8_t> bytes = ParseBytes(text);
  if (bytes.empty()) Fail(name, "a link-layer address");
  return bytes;
}

rtnl::Mac Reader::MacAddress(const char* name) const {
  const std::vector<uint8_t> bytes = ParseBytes(Text(name, 17));
  rtnl::Mac mac{};
  if (bytes.size() != mac.size()) {
    Fail(name, "a MAC address");
    return mac;
  }
  std::copy(bytes.begin(), bytes.end(), mac.begin());
  return mac;
}

std::optional<std::string> Reader::MaybeText(const char* name, size_t max_bytes) const {
  const sys::JsonValue* const value = Get(name);
  if (value == nullptr) return std::nullopt;
  return ToText(value, name, max_bytes);
}

std::optional<uint32_t> Reader::MaybeNumber(const char* name, uint32_t min, uint32_t max) const {
  const sys::JsonValue* const value = Get(name);
  if (value == nullptr) return std::nullopt;
  return ToNumber(value, name, min, max);
}

std::optional<bool> Reader::MaybeFlag(const char* name) const {
  const sys::JsonValue* const value = Get(name);
  if (value == nullptr) return std::nullopt;
  return ToFlag(value, name);
}

}  // namespace snnet::napi
