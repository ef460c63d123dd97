// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netlink/attr.h>

#include <cstdint>
#include <string>

namespace snnet::rtnl {

// What an attribute says; zero or the empty string where it is absent or too short.
uint32_t ReadU32(const nlattr* attribute);
std::string ReadText(const nlattr* attribute);
// "aa:bb:…", as many bytes as there are.
std::string ReadHex(const nlattr* attribute);

std::string HexText(const uint8_t* bytes, size_t length);

}  // namespace snnet::rtnl
