// SPDX-License-Identifier: Apache-2.0
#include "sys/json.h"

#include <charconv>
#include <utility>

namespace snnet::sys {
namespace {

constexpr int kMostDepth = 32;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// How long the number is that the text begins with (RFC 8259, 6); 0 where it begins with none.
// What the library reads as a number is more: "-inf", "01", "1.".
size_t MeasureNumber(std::string_view text) {
  size_t end = text.starts_with('-') ? 1 : 0;
  const auto take_digits = [&text, &end] {
    const size_t start = end;
    while (end < text.size() && IsDigit(text[end])) ++end;
    return end - start;
  };
  const size_t whole = take_digits();
  if (whole == 0 || (whole > 1 && text[end - whole] == '0')) return 0;
  if (end < text.size() && text[end] == '.') {
    ++end;
    if (take_digits() == 0) return 0;
  }
  if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
    ++end;
    if (end < text.size() && (text[end] == '+' || text[end] == '-')) ++end;
    if (take_digits() == 0) return 0;
  }
  return end;
}

void AppendUtf8(std::string& to, uint32_t code) {
  const auto byte = [&to](uint32_t value) { to.push_back(static_cast<char>(value)); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xc0 | code >> 6);
  } else {
    if (code < 0x10000) {
      byte(0xe0 | code >> 12);
    } else {
      byte(0xf0 | code >> 18);
      byte(0x80 | (code >> 12 & 0x3f));
    }
    byte(0x80 | (code >> 6 & 0x3f));
  }
  byte(0x80 | (code & 0x3f));
}

}  // namespace

class JsonParser {
 public:
  JsonParser(std::string_view rest, std::deque<std::string>& unescaped)
      : rest_(rest), unescaped_(unescaped) {}

  bool ReadAll(JsonValue& to) {
    if (!ReadValue(to, 0)) return false;
    SkipBlanks();
    return rest_.empty();
  }

 private:
  void SkipBlanks() {
    while (!rest_.empty() && IsBlank(rest_.front())) rest_.remove_prefix(1);
  }

  bool Take(char expected) {
    SkipBlanks();
    if (rest_.empty() || rest_.front() != expected) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeWord(std::string_view word) {
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }

  bool ReadValue(JsonValue& to, int depth) {
    SkipBlanks();
    if (rest_.empty() || depth > kMostDepth) return false;
    switch (rest_.front()) {
      case '{':
        return ReadObject(to, depth);
      case '[':
        return ReadArray(to, depth);
      case '"':
        to.kind = JsonValue::Kind::kString;
        return ReadString(to.text);
      case 't':
      case 'f':
        to.kind = JsonValue::Kind::kBoolean;
        to.boolean = rest_.front() == 't';
        return TakeWord(to.boolean ? "true" : "false");
      case 'n':
        return TakeWord("null");
      default:
        return ReadNumber(to);
    }
  }

  bool ReadObject(JsonValue& to, int depth) {
    to.kind = JsonValue::Kind::kObject;
    rest_.remove_prefix(1);
    if (Take('}')) return true;
    do {
      SkipBlanks();
      std::string_view name;
      if (rest_.empty() || rest_.front() != '"' || !ReadString(name) || !Take(':')) return false;
      to.members.push_back({name, {}});
      if (!ReadValue(to.members.back().value, depth + 1)) return false;
    } while (Take(','));
    return Take('}');
  }

  bool ReadArray(JsonValue& to, int depth) {
    to.kind = JsonValue::Kind::kArray;
    rest_.remove_prefix(1);
    if (Take(']')) return true;
    do {
      to.items.emplace_back();
      if (!ReadValue(to.items.back(), depth + 1)) return false;
    } while (Take(','));
    return Take(']');
  }

  bool ReadNumber(JsonValue& to) {
    to.kind = JsonValue::Kind::kNumber;
    const size_t length = MeasureNumber(rest_);
    if (length == 0) return false;
    const char* const end = rest_.data() + length;
    const auto read = std::from_chars(rest_.data(), end, to.number);
    if (read.ec != std::errc() || read.ptr != end) return false;
    rest_.remove_prefix(length);
    return true;
  }

  // Nearly no string has an escape: those are views of the source.
  bool ReadString(std::string_view& to) {
    rest_.remove_prefix(1);
    const size_t end = rest_.find_first_of("\"\\");
    if (end == std::string_view::npos) return false;
    if (rest_[end] == '"') {
      to = rest_.substr(0, end);
      rest_.remove_prefix(end + 1);
      return true;
    }
    std::string& text = unescaped_.emplace_back();
    while (!rest_.empty() && rest_.front() != '"') {
      if (rest_.front() == '\\') {
        if (!ReadEscape(text)) return false;
      } else {
        text.push_back(rest_.front());
        rest_.remove_prefix(1);
      }
    }
    to = text;
    return Take('"');
  }

  bool ReadEscape(std::string& to) {
    if (rest_.size() < 2) return false;
    const char letter = rest_[1];
    rest_.remove_prefix(2);
    constexpr std::string_view kLetters = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (const size_t at = kLetters.find(letter); at != std::string_view::npos) {
      to.push_back(kMeanings[at]);
      return true;
    }
    uint32_t code = 0;
    if (letter != 'u' || !ReadHex(code)) return false;
    const bool is_high = code >= 0xd800 && code < 0xdc00;
    uint32_t low = 0;
    if (is_high && rest_.starts_with("\\u")) {
      rest_.remove_prefix(2);
      if (!ReadHex(low) || low < 0xdc00 || low >= 0xe000) return false;
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xd800 && code < 0xe000) {
      return false;
    }
    AppendUtf8(to, code);
    return true;
  }

  bool ReadHex(uint32_t& to) {
    if (rest_.size() < 4) return false;
    const auto read = std::from_chars(rest_.data(), rest_.data() + 4, to, 16);
    if (read.ec != std::errc() || read.ptr != rest_.data() + 4) return false;
    rest_.remove_prefix(4);
    return true;
  }

  std::string_view rest_;
  std::deque<std::string>& unescaped_;
};

const JsonValue* JsonValue::Find(std::string_view name) const {
  for (const JsonMember& member : members) {
    if (member.name == name) return &member.value;
  }
  return nullptr;
}

std::optional<JsonDocument> JsonDocument::Parse(std::string text) {
  JsonDocument document;
  document.source_ = std::make_unique<const std::string>(std::move(text));
  if (!JsonParser(*document.source_, document.unescaped_).ReadAll(document.root_)) {
    return std::nullopt;
  }
  return document;
}

}  // namespace snnet::sys
