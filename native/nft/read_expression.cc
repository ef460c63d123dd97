// SPDX-License-Identifier: Apache-2.0
#include <linux/netfilter/nf_tables.h>

#include <map>

#include "nft/attributes.h"
#include "nft/rows.h"

namespace snnet::nft {
namespace {

constexpr uint32_t kRegistersInOne = NFT_REG_SIZE / NFT_REG32_SIZE;

// The kernel shows a register that begins one of the four long ones by that one's number
// (net/netfilter/nf_tables_api.c nft_dump_register).
template <int kMax>
Register ReadRegister(const Attributes<kMax>& from, int number) {
  const uint32_t shown = from.U32(number);
  if (shown >= NFT_REG32_00) return shown - NFT_REG32_00;
  return shown >= NFT_REG_1 ? (shown - NFT_REG_1) * kRegistersInOne : 0;
}
template <int kMax>
std::optional<Register> MaybeRegister(const Attributes<kMax>& from, int number) {
  if (!from.Has(number)) return std::nullopt;
  return ReadRegister(from, number);
}

Bytes ReadValue(const nlattr* nest) { return Attributes<NFTA_DATA_MAX>(nest).Raw(NFTA_DATA_VALUE); }

Expression ReadMeta(const nlattr* data) {
  const Attributes<NFTA_META_MAX> from(data);
  const uint32_t key = from.U32(NFTA_META_KEY);
  if (from.Has(NFTA_META_SREG)) return MetaSet{key, ReadRegister(from, NFTA_META_SREG)};
  return Meta{key, ReadRegister(from, NFTA_META_DREG)};
}

Expression ReadPayload(const nlattr* data) {
  const Attributes<NFTA_PAYLOAD_MAX> from(data);
  if (from.Has(NFTA_PAYLOAD_SREG)) return Other{"payload"};
  return Payload{from.U32(NFTA_PAYLOAD_BASE), from.U32(NFTA_PAYLOAD_OFFSET),
                 from.U32(NFTA_PAYLOAD_LEN), ReadRegister(from, NFTA_PAYLOAD_DREG)};
}

Expression ReadCmp(const nlattr* data) {
  const Attributes<NFTA_CMP_MAX> from(data);
  return Cmp{from.U32(NFTA_CMP_OP), ReadRegister(from, NFTA_CMP_SREG),
             ReadValue(from[NFTA_CMP_DATA])};
}

// NFT_BITWISE_MASK_XOR, which the headers of the first Debian 12 (6.1.4) call NFT_BITWISE_BOOL.
constexpr uint32_t kMaskXor = 0;

Expression ReadBitwise(const nlattr* data) {
  const Attributes<NFTA_BITWISE_MAX> from(data);
  if (from.U32(NFTA_BITWISE_OP) != kMaskXor) return Other{"bitwise"};
  return Bitwise{ReadRegister(from, NFTA_BITWISE_SREG), ReadRegister(from, NFTA_BITWISE_DREG),
                 ReadValue(from[NFTA_BITWISE_MASK]), ReadValue(from[NFTA_BITWISE_XOR])};
}

Expression ReadByteorder(const nlattr* data) {
  const Attributes<NFTA_BYTEORDER_MAX> from(data);
  return Byteorder{ReadRegister(from, NFTA_BYTEORDER_SREG), ReadRegister(from, NFTA_BYTEORDER_DREG),
                   from.U32(NFTA_BYTEORDER_OP), from.U32(NFTA_BYTEORDER_LEN),
                   from.U32(NFTA_BYTEORDER_SIZE)};
}

Expression ReadCt(const nlattr* data) {
  const Attributes<NFTA_CT_MAX> from(data);
  const uint32_t key = from.U32(NFTA_CT_KEY);
  if (from.Has(NFTA_CT_SREG)) return CtSet{key, ReadRegister(from, NFTA_CT_SREG)};
  if (from.Has(NFTA_CT_DIRECTION)) return Other{"ct"};
  return Ct{key, ReadRegister(from, NFTA_CT_DREG)};
}

Expression ReadLookup(const nlattr* data) {
  const Attributes<NFTA_LOOKUP_MAX> from(data);
  Lookup to;
  to.set = from.Text(NFTA_LOOKUP_SET);
  to.sreg = ReadRegister(from, NFTA_LOOKUP_SREG);
  to.is_verdict = from.Has(NFTA_LOOKUP_DREG) && from.U32(NFTA_LOOKUP_DREG) == NFT_REG_VERDICT;
  if (!to.is_verdict) to.dreg = MaybeRegister(from, NFTA_LOOKUP_DREG);
  to.invert = (from.U32(NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0;
  return to;
}

Verdict ReadVerdict(const nlattr* nest) {
  const Attributes<NFTA_VERDICT_MAX> from(nest);
  return {static_cast<int32_t>(from.U32(NFTA_VERDICT_CODE)), from.Text(NFTA_VERDICT_CHAIN)};
}

Expression ReadImmediate(const nlattr* data) {
  const Attributes<NFTA_IMMEDIATE_MAX> from(data);
  const Attributes<NFTA_DATA_MAX> value(from[NFTA_IMMEDIATE_DATA]);
  if (value.Has(NFTA_DATA_VERDICT)) return ReadVerdict(value[NFTA_DATA_VERDICT]);
  return Immediate{ReadRegister(from, NFTA_IMMEDIATE_DREG), value.Raw(NFTA_DATA_VALUE)};
}

Expression ReadNat(const nlattr* data) {
  const Attributes<NFTA_NAT_MAX> from(data);
  return Nat{from.U32(NFTA_NAT_TYPE), from.U32(NFTA_NAT_FAMILY),
             ReadRegister(from, NFTA_NAT_REG_ADDR_MIN), MaybeRegister(from, NFTA_NAT_REG_PROTO_MIN),
             from.U32(NFTA_NAT_FLAGS)};
}

Expression ReadMasq(const nlattr* data) {
  return Masq{Attributes<NFTA_MASQ_MAX>(data).U32(NFTA_MASQ_FLAGS)};
}

Expression ReadExthdr(const nlattr* data) {
  const Attributes<NFTA_EXTHDR_MAX> from(data);
  if (from.U32(NFTA_EXTHDR_OP) != NFT_EXTHDR_OP_TCPOPT || from.U32(NFTA_EXTHDR_FLAGS) != 0) {
    return Other{"exthdr"};
  }
  const Bytes type = from.Raw(NFTA_EXTHDR_TYPE);
  return TcpOption{type.empty() ? uint8_t{0} : type[0], from.U32(NFTA_EXTHDR_OFFSET),
                   from.U32(NFTA_EXTHDR_LEN), MaybeRegister(from, NFTA_EXTHDR_DREG),
                   MaybeRegister(from, NFTA_EXTHDR_SREG)};
}

Expression ReadRt(const nlattr* data) {
  const Attributes<NFTA_RT_MAX> from(data);
  return Rt{from.U32(NFTA_RT_KEY), ReadRegister(from, NFTA_RT_DREG)};
}

Expression ReadFib(const nlattr* data) {
  const Attributes<NFTA_FIB_MAX> from(data);
  return Fib{from.U32(NFTA_FIB_FLAGS), from.U32(NFTA_FIB_RESULT),
             ReadRegister(from, NFTA_FIB_DREG)};
}

Expression ReadCounter(const nlattr*) { return Counter{}; }

using Reader = Expression (*)(const nlattr*);
const std::map<std::string, Reader>& Readers() {
  static const std::map<std::string, Reader> readers = {
      {"meta", ReadMeta},       {"payload", ReadPayload},     {"cmp", ReadCmp},
      {"bitwise", ReadBitwise}, {"byteorder", ReadByteorder}, {"ct", ReadCt},
      {"lookup", ReadLookup},   {"immediate", ReadImmediate}, {"nat", ReadNat},
      {"masq", ReadMasq},       {"exthdr", ReadExthdr},       {"rt", ReadRt},
      {"fib", ReadFib},         {"counter", ReadCounter}};
  return readers;
}

}  // namespace

Expression ReadExpression(const nlattr* member) {
  const Attributes<NFTA_EXPR_MAX> from(member);
  std::string name = from.Text(NFTA_EXPR_NAME);
  const auto reader = Readers().find(name);
  if (reader == Readers().end()) return Other{std::move(name)};
  return reader->second(from[NFTA_EXPR_DATA]);
}

}  // namespace snnet::nft
