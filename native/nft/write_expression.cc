// SPDX-License-Identifier: Apache-2.0
#include "nft/write_expression.h"

#include <linux/netfilter/nf_tables.h>

namespace snnet::nft {
namespace {

using Nest = Writer::Nest;

constexpr uint32_t Number(Register reg) { return NFT_REG32_00 + reg; }

void PutValue(Writer& writer, uint16_t attribute, const Bytes& value) {
  const Nest data(writer, attribute);
  writer.PutBytes(NFTA_DATA_VALUE, value.data(), value.size());
}

// What each is called, and its attributes.
struct AttributeWriter {
  Writer& writer;

  const char* operator()(const Meta& meta) const {
    writer.PutU32(NFTA_META_KEY, meta.key);
    writer.PutU32(NFTA_META_DREG, Number(meta.dreg));
    return "meta";
  }
  const char* operator()(const MetaSet& meta) const {
    writer.PutU32(NFTA_META_KEY, meta.key);
    writer.PutU32(NFTA_META_SREG, Number(meta.sreg));
    return "meta";
  }
  const char* operator()(const Payload& payload) const {
    writer.PutU32(NFTA_PAYLOAD_DREG, Number(payload.dreg));
    writer.PutU32(NFTA_PAYLOAD_BASE, payload.base);
    writer.PutU32(NFTA_PAYLOAD_OFFSET, payload.offset);
    writer.PutU32(NFTA_PAYLOAD_LEN, payload.bytes);
    return "payload";
  }
  const char* operator()(const Cmp& cmp) const {
    writer.PutU32(NFTA_CMP_SREG, Number(cmp.sreg));
    writer.PutU32(NFTA_CMP_OP, cmp.op);
    PutValue(writer, NFTA_CMP_DATA, cmp.value);
    return "cmp";
  }
  const char* operator()(const Bitwise& bitwise) const {
    writer.PutU32(NFTA_BITWISE_SREG, Number(bitwise.sreg));
    writer.PutU32(NFTA_BITWISE_DREG, Number(bitwise.dreg));
    writer.PutU32(NFTA_BITWISE_LEN, static_cast<uint32_t>(bitwise.mask.size()));
    PutValue(writer, NFTA_BITWISE_MASK, bitwise.mask);
    PutValue(writer, NFTA_BITWISE_XOR, bitwise.flip);
    return "bitwise";
  }
  const char* operator()(const Byteorder& order) const {
    writer.PutU32(NFTA_BYTEORDER_SREG, Number(order.sreg));
    writer.PutU32(NFTA_BYTEORDER_DREG, Number(order.dreg));
    writer.PutU32(NFTA_BYTEORDER_OP, order.op);
    writer.PutU32(NFTA_BYTEORDER_LEN, order.bytes);
    writer.PutU32(NFTA_BYTEORDER_SIZE, order.size);
    return "byteorder";
  }
  const char* operator()(const Ct& ct) const {
    writer.PutU32(NFTA_CT_KEY, ct.key);
    writer.PutU32(NFTA_CT_DREG, Number(ct.dreg));
    return "ct";
  }
  const char* operator()(const CtSet& ct) const {
    writer.PutU32(NFTA_CT_KEY, ct.key);
    writer.PutU32(NFTA_CT_SREG, Number(ct.sreg));
    return "ct";
  }
  const char* operator()(const Lookup& lookup) const {
    writer.PutText(NFTA_LOOKUP_SET, lookup.set);
    writer.PutU32(NFTA_LOOKUP_SREG, Number(lookup.sreg));
    if (lookup.is_verdict) writer.PutU32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    if (lookup.dreg) writer.PutU32(NFTA_LOOKUP_DREG, Number(*lookup.dreg));
    if (lookup.invert) writer.PutU32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
    return "lookup";
  }
  const char* operator()(const Immediate& immediate) const {
    writer.PutU32(NFTA_IMMEDIATE_DREG, Number(immediate.dreg));
    PutValue(writer, NFTA_IMMEDIATE_DATA, immediate.value);
    return "immediate";
  }
  const char* operator()(const Verdict& verdict) const {
    writer.PutU32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    const Nest data(writer, NFTA_IMMEDIATE_DATA);
    WriteVerdict(writer, verdict);
    return "immediate";
  }
  const char* operator()(const Nat& nat) const {
    writer.PutU32(NFTA_NAT_TYPE, nat.type);
    writer.PutU32(NFTA_NAT_FAMILY, nat.family);
    writer.PutU32(NFTA_NAT_REG_ADDR_MIN, Number(nat.address));
    if (nat.port) writer.PutU32(NFTA_NAT_REG_PROTO_MIN, Number(*nat.port));
    if (nat.flags != 0) writer.PutU32(NFTA_NAT_FLAGS, nat.flags);
    return "nat";
  }
  const char* operator()(const Masq& masq) const {
    if (masq.flags != 0) writer.PutU32(NFTA_MASQ_FLAGS, masq.flags);
    return "masq";
  }
  const char* operator()(const TcpOption& option) const {
    if (option.dreg) writer.PutU32(NFTA_EXTHDR_DREG, Number(*option.dreg));
    if (option.sreg) writer.PutU32(NFTA_EXTHDR_SREG, Number(*option.sreg));
    writer.PutU8(NFTA_EXTHDR_TYPE, option.option);
    writer.PutU32(NFTA_EXTHDR_OFFSET, option.offset);
    writer.PutU32(NFTA_EXTHDR_LEN, option.bytes);
    writer.PutU32(NFTA_EXTHDR_OP, NFT_EXTHDR_OP_TCPOPT);
    return "exthdr";
  }
  const char* operator()(const Rt& rt) const {
    writer.PutU32(NFTA_RT_KEY, rt.key);
    writer.PutU32(NFTA_RT_DREG, Number(rt.dreg));
    return "rt";
  }
  const char* operator()(const Fib& fib) const {
    writer.PutU32(NFTA_FIB_DREG, Number(fib.dreg));
    writer.PutU32(NFTA_FIB_RESULT, fib.result);
    writer.PutU32(NFTA_FIB_FLAGS, fib.flags);
    return "fib";
  }
  const char* operator()(const Counter&) const { return "counter"; }
  const char* operator()(const Other& other) const { return other.name.c_str(); }
};

}  // namespace

void WriteVerdict(Writer& writer, const Verdict& verdict) {
  const Nest nest(writer, NFTA_DATA_VERDICT);
  writer.PutU32(NFTA_VERDICT_CODE, static_cast<uint32_t>(verdict.code));
  if (!verdict.chain.empty()) writer.PutText(NFTA_VERDICT_CHAIN, verdict.chain);
}

void WriteExpression(Writer& writer, const Expression& expression) {
  const Nest member(writer, NFTA_LIST_ELEM);
  const char* name = nullptr;
  {
    const Nest data(writer, NFTA_EXPR_DATA);
    name = std::visit(AttributeWriter{writer}, expression);
  }
  writer.PutText(NFTA_EXPR_NAME, name);
}

}  // namespace snnet::nft
