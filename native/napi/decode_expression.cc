// SPDX-License-Identifier: Apache-2.0
#include <map>

#include "napi/decode_nft.h"

namespace snnet::napi {
namespace {

constexpr uint32_t kMaxRegister = 15;
constexpr uint32_t kMaxBytes = 64;  // NFT_DATA_VALUE_MAXLEN
constexpr uint32_t kMaxOffset = 255;

nft::Register Register(const Reader& from, const char* name) {
  return from.Number(name, 0, kMaxRegister);
}
std::optional<nft::Register> MaybeRegister(const Reader& from, const char* name) {
  return from.MaybeNumber(name, 0, kMaxRegister);
}

// What goes out is read back in one way only.
int LowerHexDigit(char c) { return c >= 'A' && c <= 'F' ? -1 : HexDigit(c); }

nft::Bytes Hex(const Reader& from, const char* name) {
  const std::string text = from.Text(name, size_t{2} * kMaxBytes);
  nft::Bytes bytes;
  for (size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = LowerHexDigit(text[i]);
    const int low = LowerHexDigit(text[i + 1]);
    if (high < 0 || low < 0) break;
    bytes.push_back(static_cast<uint8_t>(high * 16 + low));
  }
  if (bytes.empty() || bytes.size() * 2 != text.size()) {
    from.Fail(name, "1 to 64 bytes in lower-case hexadecimal");
  }
  return bytes;
}

nft::Expression DecodeMeta(const Reader& from) {
  return nft::Meta{DecodeName(from, "key", kMetaKeys), Register(from, "dreg")};
}
nft::Expression DecodeMetaSet(const Reader& from) {
  return nft::MetaSet{DecodeName(from, "key", kMetaSetKeys), Register(from, "sreg")};
}
nft::Expression DecodePayload(const Reader& from) {
  return nft::Payload{DecodeName(from, "base", kBases), from.Number("offset", 0, kMaxOffset),
                      from.Number("bytes", 1, kMaxBytes), Register(from, "dreg")};
}
nft::Expression DecodeCmp(const Reader& from) {
  return nft::Cmp{DecodeName(from, "op", kComparisons), Register(from, "sreg"), Hex(from, "value")};
}
nft::Expression DecodeBitwise(const Reader& from) {
  nft::Bitwise to{Register(from, "sreg"), Register(from, "dreg"), Hex(from, "mask"),
                  Hex(from, "xor")};
  if (to.mask.size() != to.flip.size()) from.Fail("xor", "as many bytes as mask has");
  return to;
}
nft::Expression DecodeByteorder(const Reader& from) {
  return nft::Byteorder{Register(from, "sreg"), Register(from, "dreg"),
                        DecodeName(from, "op", kByteorders), from.Number("bytes", 1, kMaxBytes),
                        from.Number("size", 2, 8)};
}
nft::Expression DecodeCt(const Reader& from) {
  return nft::Ct{DecodeName(from, "key", kCtKeys), Register(from, "dreg")};
}
nft::Expression DecodeCtSet(const Reader& from) {
  return nft::CtSet{DecodeName(from, "key", kCtSetKeys), Register(from, "sreg")};
}
nft::Expression DecodeLookup(const Reader& from) {
  nft::Lookup to;
  to.set = DecodeNftName(from, "set");
  to.sreg = Register(from, "sreg");
  if (from.IsText("dreg")) {
    to.is_verdict = from.Text("dreg", kMaxBytes) == "verdict";
    if (!to.is_verdict) from.Fail("dreg", "a register or verdict");
  } else {
    to.dreg = MaybeRegister(from, "dreg");
  }
  to.invert = from.MaybeFlag("invert").value_or(false);
  return to;
}
nft::Expression DecodeImmediate(const Reader& from) {
  return nft::Immediate{Register(from, "dreg"), Hex(from, "value")};
}
nft::Expression DecodeVerdictExpression(const Reader& from) {
  return DecodeVerdict(from.Child("verdict"));
}
nft::Expression DecodeNat(const Reader& from) {
  return nft::Nat{DecodeName(from, "kind", kNatKinds), DecodeName(from, "family", kNatFamilies),
                  Register(from, "address"), MaybeRegister(from, "port"),
                  DecodeFlags(from, "flags", kNatFlags)};
}
nft::Expression DecodeMasq(const Reader& from) {
  return nft::Masq{DecodeFlags(from, "flags", kNatFlags)};
}
nft::Expression DecodeTcpOption(const Reader& from) {
  nft::TcpOption to;
  to.option = static_cast<uint8_t>(from.Number("option", 0, 255));
  to.offset = from.Number("offset", 0, kMaxOffset);
  to.bytes = from.Number("bytes", 1, kMaxBytes);
  to.dreg = MaybeRegister(from, "dreg");
  to.sreg = MaybeRegister(from, "sreg");
  if (to.dreg.has_value() == to.sreg.has_value()) from.Fail("dreg", "either dreg or sreg");
  return to;
}
nft::Expression DecodeRt(const Reader& from) {
  return nft::Rt{DecodeName(from, "key", kRtKeys), Register(from, "dreg")};
}
nft::Expression DecodeFib(const Reader& from) {
  return nft::Fib{DecodeFlags(from, "selectors", kFibSelectors),
                  DecodeName(from, "result", kFibResults), Register(from, "dreg")};
}
nft::Expression DecodeCounter(const Reader&) { return nft::Counter{}; }

using ExpressionDecoder = nft::Expression (*)(const Reader&);
const std::map<std::string, ExpressionDecoder>& ExpressionDecoders() {
  static const std::map<std::string, ExpressionDecoder> decoders = {
      {"meta", DecodeMeta},
      {"meta.set", DecodeMetaSet},
      {"payload", DecodePayload},
      {"cmp", DecodeCmp},
      {"bitwise", DecodeBitwise},
      {"byteorder", DecodeByteorder},
      {"ct", DecodeCt},
      {"ct.set", DecodeCtSet},
      {"lookup", DecodeLookup},
      {"immediate", DecodeImmediate},
      {"verdict", DecodeVerdictExpression},
      {"nat", DecodeNat},
      {"masq", DecodeMasq},
      {"tcp-option", DecodeTcpOption},
      {"rt", DecodeRt},
      {"fib", DecodeFib},
      {"counter", DecodeCounter}};
  return decoders;
}

}  // namespace

nft::Expression DecodeExpression(const Reader& from) {
  const auto decoder = ExpressionDecoders().find(from.Text("type", 16));
  if (decoder != ExpressionDecoders().end()) return decoder->second(from);
  from.Fail("type", "a known expression");
  return nft::Counter{};
}

}  // namespace snnet::napi
