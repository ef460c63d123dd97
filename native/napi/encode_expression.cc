// SPDX-License-Identifier: Apache-2.0
#include "napi/encode_nft.h"

namespace snnet::napi {
namespace {

// An object in the making.
class Fields {
 public:
  Fields(Napi::Env env, const char* type) : env_(env), object_(Napi::Object::New(env)) {
    Set("type", std::string(type));
  }
  void Set(const char* name, const std::string& text) {
    object_.Set(name, Napi::String::New(env_, text));
  }
  void Set(const char* name, uint32_t number) {
    object_.Set(name, Napi::Number::New(env_, number));
  }
  void Set(const char* name, const Napi::Value& value) { object_.Set(name, value); }
  void Set(const char* name, const std::optional<nft::Register>& reg) {
    if (reg) Set(name, *reg);
  }
  void SetHex(const char* name, const nft::Bytes& bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text;
    for (const uint8_t byte : bytes) {
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
    Set(name, text);
  }
  void SetFlags(const char* name, Names names, uint32_t flags) {
    const Napi::Array words = FlagWords(env_, names, flags);
    if (words.Length() > 0) object_.Set(name, words);
  }
  Napi::Env env() const { return env_; }
  Napi::Value object() const { return object_; }

 private:
  Napi::Env env_;
  Napi::Object object_;
};

struct Encoder {
  Napi::Env env;

  // With a key that we have no word for it is somebody else's.
  Napi::Value Keyed(const char* type, Names keys, uint32_t key, const char* reg,
                    nft::Register number) const {
    const std::string name = NameOf(keys, key);
    if (name.empty()) return (*this)(nft::Other{type});
    Fields to(env, type);
    to.Set("key", name);
    to.Set(reg, number);
    return to.object();
  }

  Napi::Value operator()(const nft::Meta& meta) const {
    return Keyed("meta", kMetaKeys, meta.key, "dreg", meta.dreg);
  }
  Napi::Value operator()(const nft::MetaSet& meta) const {
    return Keyed("meta.set", kMetaSetKeys, meta.key, "sreg", meta.sreg);
  }
  Napi::Value operator()(const nft::Payload& payload) const {
    const std::string base = NameOf(kBases, payload.base);
    if (base.empty()) return (*this)(nft::Other{"payload"});
    Fields to(env, "payload");
    to.Set("base", base);
    to.Set("offset", payload.offset);
    to.Set("bytes", payload.bytes);
    to.Set("dreg", payload.dreg);
    return to.object();
  }
  Napi::Value operator()(const nft::Cmp& cmp) const {
    Fields to(env, "cmp");
    to.Set("op", NameOf(kComparisons, cmp.op));
    to.Set("sreg", cmp.sreg);
    to.SetHex("value", cmp.value);
    return to.object();
  }
  Napi::Value operator()(const nft::Bitwise& bitwise) const {
    Fields to(env, "bitwise");
    to.Set("sreg", bitwise.sreg);
    to.Set("dreg", bitwise.dreg);
    to.SetHex("mask", bitwise.mask);
    to.SetHex("xor", bitwise.flip);
    return to.object();
  }
  Napi::Value operator()(const nft::Byteorder& order) const {
    Fields to(env, "byteorder");
    to.Set("sreg", order.sreg);
    to.Set("dreg", order.dreg);
    to.Set("op", NameOf(kByteorders, order.op));
    to.Set("bytes", order.bytes);
    to.Set("size", order.size);
    return to.object();
  }
  Napi::Value operator()(const nft::Ct& ct) const {
    return Keyed("ct", kCtKeys, ct.key, "dreg", ct.dreg);
  }
  Napi::Value operator()(const nft::CtSet& ct) const {
    return Keyed("ct.set", kCtSetKeys, ct.key, "sreg", ct.sreg);
  }
  Napi::Value operator()(const nft::Lookup& lookup) const {
    Fields to(env, "lookup");
    to.Set("set", lookup.set);
    to.Set("sreg", lookup.sreg);
    if (lookup.is_verdict) to.Set("dreg", std::string("verdict"));
    to.Set("dreg", lookup.dreg);
    if (lookup.invert) to.Set("invert", Napi::Boolean::New(env, true));
    return to.object();
  }
  Napi::Value operator()(const nft::Immediate& immediate) const {
    Fields to(env, "immediate");
    to.Set("dreg", immediate.dreg);
    to.SetHex("value", immediate.value);
    return to.object();
  }
  Napi::Value operator()(const nft::Verdict& verdict) const {
    Fields to(env, "verdict");
    to.Set("verdict", EncodeVerdict(env, verdict));
    return to.object();
  }
  Napi::Value operator()(const nft::Nat& nat) const {
    Fields to(env, "nat");
    to.Set("kind", NameOf(kNatKinds, nat.type));
    to.Set("family", NameOf(kNatFamilies, nat.family));
    to.Set("address", nat.address);
    to.Set("port", nat.port);
    to.SetFlags("flags", kNatFlags, nat.flags);
    return to.object();
  }
  Napi::Value operator()(const nft::Masq& masq) const {
    Fields to(env, "masq");
    to.SetFlags("flags", kNatFlags, masq.flags);
    return to.object();
  }
  Napi::Value operator()(const nft::TcpOption& option) const {
    Fields to(env, "tcp-option");
    to.Set("option", uint32_t{option.option});
    to.Set("offset", option.offset);
    to.Set("bytes", option.bytes);
    to.Set("dreg", option.dreg);
    to.Set("sreg", option.sreg);
    return to.object();
  }
  Napi::Value operator()(const nft::Rt& rt) const {
    return Keyed("rt", kRtKeys, rt.key, "dreg", rt.dreg);
  }
  Napi::Value operator()(const nft::Fib& fib) const {
    Fields to(env, "fib");
    to.Set("selectors", FlagWords(env, kFibSelectors, fib.flags));
    to.Set("result", NameOf(kFibResults, fib.result));
    to.Set("dreg", fib.dreg);
    return to.object();
  }
  Napi::Value operator()(const nft::Counter&) const { return Fields(env, "counter").object(); }
  Napi::Value operator()(const nft::Other& other) const {
    Fields to(env, "other");
    to.Set("name", other.name);
    return to.object();
  }
};

}  // namespace

Napi::Value EncodeVerdict(Napi::Env env, const nft::Verdict& verdict) {
  Napi::Object object = Napi::Object::New(env);
  const std::string code = NameOf(kVerdicts, static_cast<uint32_t>(verdict.code));
  object.Set("code", Napi::String::New(env, code.empty() ? "other" : code));
  if (!verdict.chain.empty()) object.Set("chain", Napi::String::New(env, verdict.chain));
  return object;
}

Napi::Value EncodeExpression(Napi::Env env, const nft::Expression& expression) {
  return std::visit(Encoder{env}, expression);
}

Napi::Array FlagWords(Napi::Env env, Names names, uint32_t flags) {
  Napi::Array words = Napi::Array::New(env);
  uint32_t count = 0;
  for (const NamedNumber& known : names) {
    if ((flags & known.number) == 0) continue;
    words.Set(count++, Napi::String::New(env, std::string(known.name)));
  }
  return words;
}

}  // namespace snnet::napi
