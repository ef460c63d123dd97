// SPDX-License-Identifier: Apache-2.0
#include "cni/failure.h"

#include <algorithm>
#include <array>

namespace snnet::cni {
namespace {

constexpr std::array<std::string_view, 5> kVersions = {"0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"};

// A JSON string. What is no UTF-8 in it was none when it came.
std::string Quote(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string quoted = "\"";
  for (const char letter : text) {
    const auto byte = static_cast<unsigned char>(letter);
    if (letter == '"' || letter == '\\') {
      quoted += {'\\', letter};
    } else if (byte < 0x20) {
      quoted += "\\u00";
      quoted += {kHex[byte >> 4], kHex[byte & 15]};
    } else {
      quoted += letter;
    }
  }
  return quoted + "\"";
}

std::string_view Known(std::string_view version) {
  return IsSupported(version) ? version : kNewestVersion;
}

}  // namespace

bool IsSupported(std::string_view version) {
  return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

Answer Tell(const Failure& failure, std::string_view version) {
  std::string text = "{\"cniVersion\":" + Quote(Known(version)) +
                     ",\"code\":" + std::to_string(static_cast<int>(failure.code)) +
                     ",\"msg\":" + Quote(failure.message);
  if (!failure.details.empty()) text += ",\"details\":" + Quote(failure.details);
  return {1, text + "}\n"};
}

Answer TellVersions(std::string_view version) {
  std::string list;
  for (const std::string_view supported : kVersions) {
    if (!list.empty()) list += ',';
    list += Quote(supported);
  }
  return {0,
          "{\"cniVersion\":" + Quote(Known(version)) + ",\"supportedVersions\":[" + list + "]}\n"};
}

}  // namespace snnet::cni
