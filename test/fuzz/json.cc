// SPDX-License-Identifier: Apache-2.0
//
// JSON: what is read, written and read again is the same.
#include "sys/json.h"

#include <charconv>
#include <cmath>

#include "input.h"

namespace {

using snnet::fuzz::Require;
using snnet::sys::JsonDocument;
using snnet::sys::JsonMember;
using snnet::sys::JsonValue;
using Kind = JsonValue::Kind;

void WriteText(std::string_view text, std::string& to) {
  to += '"';
  for (const char letter : text) {
    if (letter == '"' || letter == '\\') {
      to += {'\\', letter};
    } else if (static_cast<unsigned char>(letter) < 0x20) {
      std::array<char, 8> escaped{};
      static_cast<void>(snprintf(escaped.data(), escaped.size(), "\\u%04x", letter));
      to += escaped.data();
    } else {
      to += letter;
    }
  }
  to += '"';
}

void Write(const JsonValue& value, std::string& to) {
  switch (value.kind) {
    case Kind::kNull:
      to += "null";
      break;
    case Kind::kBoolean:
      to += value.boolean ? "true" : "false";
      break;
    case Kind::kNumber: {
      Require(std::isfinite(value.number), "a number of JSON is finite");
      std::array<char, 64> text{};
      const auto written = std::to_chars(text.begin(), text.end(), value.number);
      to.append(text.data(), written.ptr);
      break;
    }
    case Kind::kString:
      WriteText(value.text, to);
      break;
    case Kind::kArray:
      to += '[';
      for (size_t i = 0; i < value.items.size(); ++i) {
        if (i > 0) to += ',';
        Write(value.items[i], to);
      }
      to += ']';
      break;
    case Kind::kObject:
      to += '{';
      for (size_t i = 0; i < value.members.size(); ++i) {
        if (i > 0) to += ',';
        WriteText(value.members[i].name, to);
        to += ':';
        Write(value.members[i].value, to);
      }
      to += '}';
      break;
  }
}

std::string Written(const JsonDocument& document) {
  std::string text;
  Write(document.root(), text);
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto read = JsonDocument::Parse({reinterpret_cast<const char*>(data), size});
  if (!read) return 0;
  const std::string text = Written(*read);
  const auto again = JsonDocument::Parse(text);
  Require(again.has_value(), "what was written can be read");
  Require(Written(*again) == text, "it is read as it was written");
  // What a delegate's answer is asked for.
  static_cast<void>(read->root().Find("code"));
  return 0;
}
