// SPDX-License-Identifier: Apache-2.0
//
// The instructions that a rule is made of, in the kernel's numbers (uapi/linux/netfilter/
// nf_tables.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace snnet::nft {

using Bytes = std::vector<uint8_t>;

// One of sixteen registers of four bytes, counted from 0.
using Register = uint32_t;

struct Verdict {
  // NF_ACCEPT, NF_DROP or one of enum nft_verdicts.
  int32_t code = 0;
  // Of a jump and a goto.
  std::string chain;
};

struct Meta {
  uint32_t key = 0;
  Register dreg = 0;
};
struct MetaSet {
  uint32_t key = 0;
  Register sreg = 0;
};
struct Payload {
  uint32_t base = 0;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  Register dreg = 0;
};
struct Cmp {
  uint32_t op = 0;
  Register sreg = 0;
  Bytes value;
};
struct Bitwise {
  Register sreg = 0;
  Register dreg = 0;
  Bytes mask;
  Bytes flip;
};
struct Byteorder {
  Register sreg = 0;
  Register dreg = 0;
  uint32_t op = 0;
  uint32_t bytes = 0;
  uint32_t size = 0;
};
struct Ct {
  uint32_t key = 0;
  Register dreg = 0;
};
struct CtSet {
  uint32_t key = 0;
  Register sreg = 0;
};
struct Lookup {
  std::string set;
  Register sreg = 0;
  std::optional<Register> dreg;
  // What is found is a verdict, and is passed.
  bool is_verdict = false;
  bool invert = false;
};
struct Immediate {
  Register dreg = 0;
  Bytes value;
};
struct Nat {
  uint32_t type = 0;
  uint32_t family = 0;
  Register address = 0;
  std::optional<Register> port;
  uint32_t flags = 0;
};
struct Masq {
  uint32_t flags = 0;
};
struct TcpOption {
  uint8_t option = 0;
  uint32_t offset = 0;
  uint32_t bytes = 0;
  // One of the two.
  std::optional<Register> dreg;
  std::optional<Register> sreg;
};
struct Rt {
  uint32_t key = 0;
  Register dreg = 0;
};
struct Fib {
  uint32_t flags = 0;
  uint32_t result = 0;
  Register dreg = 0;
};
struct Counter {};
// What a dump shows and nothing here writes.
struct Other {
  std::string name;
};

using Expression = std::variant<Meta, MetaSet, Payload, Cmp, Bitwise, Byteorder, Ct, CtSet, Lookup,
                                Immediate, Verdict, Nat, Masq, TcpOption, Rt, Fib, Counter, Other>;

}  // namespace snnet::nft
