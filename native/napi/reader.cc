// SPDX-License-Identifier: Apache-2.0
#include "napi/reader.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>

namespace snnet::napi {
namespace {

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr size_t kLinkNameBytes = 15;  // IFNAMSIZ less its zero

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

Reader::Reader(const Napi::Value& value, std::string path, Failure& failure)
    : path_(std::move(path)), failure_(failure) {
  if (value.IsObject()) {
    object_ = value.As<Napi::Object>();
  } else {
    object_ = Napi::Object::New(value.Env());
    if (failure_.text.empty()) failure_.text = path_ + ": expected an object";
  }
}

void Reader::Fail(const char* name, const char* expected) const {
  if (failure_.text.empty()) failure_.text = path_ + "." + name + ": expected " + expected;
}

// A getter that throws, or an environment that ends: what was not read is not "absent".
Napi::Value Reader::Checked(const Napi::Value& value, const char* name,
                            const char* expected) const {
  const Napi::Env env = object_.Env();
  const bool is_thrown = env.IsExceptionPending();
  if (!is_thrown && !value.IsEmpty()) return value;
  if (is_thrown) env.GetAndClearPendingException();
  Fail(name, expected);
  return env.Undefined();
}

Napi::Value Reader::Get(const char* name) const {
  return Checked(object_.Get(name), name, "a readable field");
}

bool Reader::Has(const char* name) const { return !Get(name).IsUndefined(); }

Reader Reader::Child(const char* name) const {
  return Reader(Get(name), path_ + "." + name, failure_);
}

template <typename Add>
void Reader::ForEach(const char* name, const char* expected, const Add& add) const {
  const Napi::Value value = Get(name);
  if (!value.IsArray()) return Fail(name, expected);
  const auto array = value.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length() && failure_.text.empty(); ++i) {
    add(Checked(array.Get(i), name, "readable elements"), i);
  }
}

std::vector<Reader> Reader::Children(const char* name) const {
  std::vector<Reader> children;
  ForEach(name, "an array", [&](const Napi::Value& item, uint32_t i) {
    children.emplace_back(item, path_ + "." + name + "[" + std::to_string(i) + "]", failure_);
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
  ForEach(name, kExpected, [&](const Napi::Value& item, uint32_t) {
    if (!item.IsString()) return Fail(name, kExpected);
    strings.push_back(item.As<Napi::String>().Utf8Value());
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

std::string Reader::ToText(const Napi::Value& value, const char* name, size_t max_bytes) const {
  if (value.IsString()) {
    std::string text = value.As<Napi::String>().Utf8Value();
    if (text.size() <= max_bytes && text.find('\0') == std::string::npos) return text;
  }
  Fail(name, ("a string of at most " + std::to_string(max_bytes) + " bytes").c_str());
  return {};
}

uint32_t Reader::Number(const char* name, uint32_t min, uint32_t max) const {
  return ToNumber(Get(name), name, min, max);
}

uint32_t Reader::ToNumber(const Napi::Value& value, const char* name, uint32_t min,
                          uint32_t max) const {
  if (value.IsNumber()) {
    const double number = value.As<Napi::Number>().DoubleValue();
    if (number >= min && number <= max && std::trunc(number) == number) {
      return static_cast<uint32_t>(number);
    }
  }
  Fail(name, ("a whole number from " + std::to_string(min) + " to " + std::to_string(max)).c_str());
  return min;
}

bool Reader::Flag(const char* name) const { return ToFlag(Get(name), name); }

bool Reader::ToFlag(const Napi::Value& value, const char* name) const {
  if (value.IsBoolean()) return value.As<Napi::Boolean>().Value();
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
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return std::nullopt;
  return ToText(value, name, max_bytes);
}

std::optional<uint32_t> Reader::MaybeNumber(const char* name, uint32_t min, uint32_t max) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return std::nullopt;
  return ToNumber(value, name, min, max);
}

std::optional<bool> Reader::MaybeFlag(const char* name) const {
  const Napi::Value value = Get(name);
  if (value.IsUndefined()) return std::nullopt;
  return ToFlag(value, name);
}

}  // namespace snnet::napi
