// SPDX-License-Identifier: Apache-2.0
#include "napi/encode_nft.h"

#include <arpa/inet.h>

#include <cstring>

namespace snnet::napi {
namespace {

constexpr uint32_t kTypeBits = 6;

void SetText(Napi::Object& to, const char* name, const std::string& text) {
  to.Set(name, Napi::String::New(to.Env(), text));
}
template <typename T>
void SetNumber(Napi::Object& to, const char* name, T number) {
  to.Set(name, Napi::Number::New(to.Env(), static_cast<double>(number)));
}

template <typename Row, typename EncodeOne>
Napi::Array EncodeAll(Napi::Env env, const std::vector<Row>& rows, const EncodeOne& encode) {
  Napi::Array array = Napi::Array::New(env, rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), encode(env, rows[i]));
  }
  return array;
}

Napi::Object EncodePlace(Napi::Env env, const nft::TableName& table) {
  Napi::Object object = Napi::Object::New(env);
  const std::string family = NameOf(kFamilies, table.family);
  SetText(object, "family", family.empty() ? "other" : family);
  SetText(object, "table", table.name);
  return object;
}

Napi::Object EncodeTableRow(Napi::Env env, const nft::TableRow& row) {
  Napi::Object object = EncodePlace(env, row.table);
  object.Set("flags", FlagWords(env, kTableFlags, row.flags));
  SetNumber(object, "handle", row.handle);
  SetNumber(object, "owner", row.owner);
  return object;
}

Napi::Object EncodeBase(Napi::Env env, const nft::BaseChain& base, uint8_t family) {
  Napi::Object object = Napi::Object::New(env);
  const bool is_of_device = family == NFPROTO_NETDEV;
  const std::string hook = NameOf(is_of_device ? Names(kDeviceHooks) : Names(kHooks), base.hook);
  SetText(object, "type", base.type);
  SetText(object, "hook", hook.empty() ? "other" : hook);
  SetNumber(object, "priority", base.priority);
  if (base.policy) SetText(object, "policy", NameOf(kPolicies, *base.policy));
  if (!base.device.empty()) SetText(object, "device", base.device);
  return object;
}

Napi::Object EncodeChain(Napi::Env env, const nft::ChainRow& row) {
  Napi::Object object = EncodePlace(env, row.table);
  SetText(object, "chain", row.name);
  SetNumber(object, "handle", row.handle);
  if (row.base) object.Set("base", EncodeBase(env, *row.base, row.table.family));
  return object;
}

Napi::Object EncodeRule(Napi::Env env, const nft::RuleRow& row) {
  Napi::Object object = EncodePlace(env, row.table);
  SetText(object, "chain", row.chain);
  SetNumber(object, "handle", row.handle);
  if (!row.comment.empty()) SetText(object, "comment", row.comment);
  object.Set("expressions", EncodeAll(env, row.expressions, EncodeExpression));
  return object;
}

// The types that a number of nft's is put together from.
Napi::Array EncodeTypes(Napi::Env env, uint32_t number) {
  std::vector<std::string> words;
  for (uint32_t rest = number; rest != 0; rest >>= kTypeBits) {
    const uint32_t one = rest & ((1U << kTypeBits) - 1);
    const auto* const found =
        std::find_if(std::begin(kTypes), std::end(kTypes),
                     [&](const NamedType& t) { return t.type.number == one; });
    words.insert(words.begin(), found == std::end(kTypes) ? "other" : std::string(found->name));
  }
  return EncodeAll(env, words,
                   [](Napi::Env e, const std::string& word) { return Napi::String::New(e, word); });
}

// Not an object for each: codes in one array, chains in one text.
void SetVerdicts(Napi::Object& to, const std::vector<nft::Verdict>& verdicts) {
  Table table;
  for (const nft::Verdict& verdict : verdicts) {
    table.numbers.push_back(static_cast<uint32_t>(verdict.code));
    table.AddText(verdict.chain);
  }
  to.Set("verdicts", EncodeTable(to.Env(), table));
}

Napi::Object EncodeSet(Napi::Env env, const nft::SetRow& row) {
  Napi::Object object = EncodePlace(env, row.table);
  SetText(object, "set", row.name);
  SetNumber(object, "handle", row.handle);
  object.Set("key", EncodeTypes(env, row.key_type));
  if (row.size != 0) SetNumber(object, "size", row.size);
  SetNumber(object, "keyBytes", row.key_bytes);
  SetNumber(object, "dataBytes", row.data_bytes);
  object.Set("flags", FlagWords(env, kSetFlags, row.flags));
  Napi::Uint8Array packed = Napi::Uint8Array::New(env, row.packed.size());
  if (!row.packed.empty() && !packed.IsEmpty() && packed.Data() != nullptr) {
    std::memcpy(packed.Data(), row.packed.data(), row.packed.size());
  }
  object.Set("packed", packed);
  if (row.HasVerdicts()) {
    SetVerdicts(object, row.verdicts);
  } else if (row.data_bytes > 0) {
    object.Set("data", EncodeTypes(env, row.data_type));
  }
  return object;
}

Napi::Object EncodeEvent(Napi::Env env, const exec::NftEvent& event) {
  using Kind = exec::NftEvent::Kind;
  if (event.kind == Kind::kResync) {
    Napi::Object object = Napi::Object::New(env);
    SetText(object, "type", "resync");
    return object;
  }
  Napi::Object object = EncodePlace(env, {event.family, event.table});
  SetText(object, "type", event.kind == Kind::kGone ? "gone" : "changed");
  SetNumber(object, "generation", event.generation);
  SetNumber(object, "pid", event.pid);
  SetText(object, "program", event.program);
  object.Set("isOwn", Napi::Boolean::New(env, event.is_own));
  return object;
}

}  // namespace

Napi::Value EncodeTableState(Napi::Env env, const std::optional<nft::TableState>& state) {
  if (!state) return env.Null();
  Napi::Object object = EncodeTableRow(env, state->table);
  object.Set("chains", EncodeAll(env, state->chains, EncodeChain));
  object.Set("sets", EncodeAll(env, state->sets, EncodeSet));
  object.Set("rules", EncodeAll(env, state->rules, EncodeRule));
  SetNumber(object, "generation", state->generation);
  return object;
}

Napi::Value EncodeOverview(Napi::Env env, const nft::Overview& overview) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("tables", EncodeAll(env, overview.tables, EncodeTableRow));
  object.Set("chains", EncodeAll(env, overview.chains, EncodeChain));
  SetNumber(object, "generation", overview.generation);
  return object;
}

Napi::Value EncodeRules(Napi::Env env, const std::vector<nft::RuleRow>& rules) {
  return EncodeAll(env, rules, EncodeRule);
}

Napi::Value EncodeNftEvents(Napi::Env env, const std::vector<exec::NftEvent>& events) {
  return EncodeAll(env, events, EncodeEvent);
}

void AddFlow(Table& table, const nft::Flow& flow) {
  for (const nft::Tuple& tuple : {flow.original, flow.reply}) {
    table.numbers.insert(table.numbers.end(), {ntohl(tuple.source), ntohl(tuple.destination),
                                               tuple.source_port, tuple.destination_port});
  }
  table.numbers.insert(table.numbers.end(),
                       {flow.original.protocol, flow.status, flow.mark, flow.original.zone});
}

}  // namespace snnet::napi
