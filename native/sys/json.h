// SPDX-License-Identifier: Apache-2.0
//
// JSON (RFC 8259), read once into a tree: how plans come from JS. One string crosses instead of a
// hundred properties, each of which costs as much as reading all of it.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace snnet::sys {

struct JsonMember;

struct JsonValue {
  enum class Kind { kNull, kBoolean, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool boolean = false;
  double number = 0;
  // Of a string; UTF-8, without escapes.
  std::string_view text;
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;

  // Of an object: nothing where it has no such member.
  const JsonValue* Find(std::string_view name) const;
};
struct JsonMember {
  std::string_view name;
  JsonValue value;
};

// Owns the text that its values refer to.
class JsonDocument {
 public:
  // None where it is not JSON, or is nested more than 32 deep.
  static std::optional<JsonDocument> Parse(std::string text);

  const JsonValue& root() const { return root_; }

 private:
  friend class JsonParser;

  // On the heap, so that views stay valid when the document moves.
  std::unique_ptr<const std::string> source_;
  // Strings that had escapes.
  std::deque<std::string> unescaped_;
  JsonValue root_;
};

}  // namespace snnet::sys
