// SPDX-License-Identifier: Apache-2.0
#include "napi/encode.h"

#include <algorithm>
#include <cstring>
#include <map>

#include "sys/errno_name.h"

namespace snnet::napi {
namespace {

template <typename T>
Napi::Array NumberArray(Napi::Env env, const std::vector<T>& numbers) {
  Napi::Array array = Napi::Array::New(env, numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) {
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(numbers[i])));
  }
  return array;
}

Napi::Object EncodeQueues(Napi::Env env, const std::map<size_t, std::vector<sys::UniqueFd>>& fds) {
  Napi::Object object = Napi::Object::New(env);
  for (const auto& [step, queues] : fds) {
    std::vector<int> numbers;
    for (const sys::UniqueFd& queue : queues) numbers.push_back(queue.get());
    object.Set(static_cast<uint32_t>(step), NumberArray(env, numbers));
  }
  return object;
}

bool IsAscii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
}

// What is ASCII, as nearly all is, needs no decoding.
Napi::Value NewText(Napi::Env env, const std::string& text) {
  napi_value value = nullptr;
  if (!IsAscii(text) ||
      napi_create_string_latin1(env, text.data(), text.size(), &value) != napi_ok) {
    return Napi::String::New(env, text);
  }
  return Napi::Value(env, value);
}

// What a link has that not every one has.
uint32_t TraitsOf(const Table& table, const rtnl::LinkRow& row) {
  uint32_t flags = 0;
  if (!row.alt_names.empty()) flags |= rtnl::kHasAltNames;
  if (!row.data.local.empty() || !row.data.remote.empty()) flags |= rtnl::kHasEnds;
  if (!row.data.mode.empty()) flags |= rtnl::kHasMode;
  if (row.takes_advertisements) flags |= rtnl::kTakesAdvertisements;
  if (row.waits_for_peer) flags |= rtnl::kWaitsForPeer;
  if (!table.numbers.empty() && row.kind == table.kind) flags |= rtnl::kKindAsBefore;
  return flags;
}

Napi::Object EncodeFailure(Napi::Env env, const exec::StepFailure& failure) {
  Napi::Object object = EncodeError(env, failure.error);
  object.Set("step", Napi::Number::New(env, static_cast<double>(failure.step)));
  return object;
}

}  // namespace

void Table::AddText(std::string_view value) {
  text.append(value);
  text += '\0';
}

void Table::Clear() {
  numbers.clear();
  text.clear();
  kind.clear();
}

void AddLink(Table& table, const rtnl::LinkRow& row) {
  const uint32_t flags = row.data.flags | TraitsOf(table, row);
  table.numbers.insert(table.numbers.end(), {row.ifindex, row.mtu, row.master, row.link, row.flags,
                                             row.group, row.data.key, row.data.port, flags});
  table.AddText(row.ifname);
  table.AddText(row.alias);
  table.AddText(row.address);
  if ((flags & rtnl::kKindAsBefore) == 0) {
    table.AddText(row.kind);
    table.kind = row.kind;
  }
  if ((flags & rtnl::kHasEnds) != 0) {
    table.AddText(row.data.local);
    table.AddText(row.data.remote);
  }
  if ((flags & rtnl::kHasMode) != 0) table.AddText(row.data.mode);
  if ((flags & rtnl::kHasAltNames) != 0) table.AddText(row.alt_names);
}

void AddEvent(Table& table, const exec::LinkEvent& event) {
  table.numbers.push_back(static_cast<uint32_t>(event.kind));
  AddLink(table, event.row);
}

void AddAddress(Table& table, const rtnl::Address& row) {
  table.numbers.insert(table.numbers.end(), {row.ifindex, row.prefix_length});
  table.AddText(rtnl::Ipv4Text(row.address));
}

void AddRoute(Table& table, const rtnl::Route& row) {
  table.numbers.push_back(row.ifindex);
  table.AddText(rtnl::Ipv4Text(row.destination) + "/" + std::to_string(row.prefix_length));
  table.AddText(row.via ? rtnl::Ipv4Text(*row.via) : std::string());
}

void AddNeighbour(Table& table, const rtnl::NeighbourRow& row) {
  table.numbers.insert(table.numbers.end(), {row.ifindex, row.is_permanent ? 1U : 0U});
  table.AddText(row.address);
  table.AddText(row.lladdr);
}

Napi::Value EncodeTable(Napi::Env env, const Table& table) {
  Napi::Object object = Napi::Object::New(env);
  Napi::Uint32Array numbers = Napi::Uint32Array::New(env, table.numbers.size());
  if (!table.numbers.empty() && !numbers.IsEmpty() && numbers.Data() != nullptr) {
    std::memcpy(numbers.Data(), table.numbers.data(), table.numbers.size() * sizeof(uint32_t));
  }
  object.Set("numbers", numbers);
  object.Set("text", NewText(env, table.text));
  return object;
}

Napi::Object EncodeError(Napi::Env env, const sys::Error& error) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("errno", Napi::Number::New(env, error.code));
  object.Set("name", Napi::String::New(env, sys::ErrnoName(error.code)));
  object.Set("request", Napi::String::New(env, error.request));
  if (!error.extack.empty()) object.Set("extack", Napi::String::New(env, error.extack));
  if (error.offset >= 0) object.Set("offset", Napi::Number::New(env, error.offset));
  return object;
}

Napi::Object WithError(Napi::Env env, const sys::Error& error) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("error", EncodeError(env, error));
  return object;
}

// Most plans are simply done: what there is nothing to say of is left out.
Napi::Object EncodeReply(Napi::Env env, const exec::PlanReply& reply) {
  Napi::Object object = Napi::Object::New(env);
  const exec::RunOutcome& outcome = reply.outcome;
  if (outcome.failure) object.Set("failure", EncodeFailure(env, *outcome.failure));
  if (!outcome.tolerated.empty()) object.Set("tolerated", NumberArray(env, outcome.tolerated));
  if (!outcome.fds.empty()) object.Set("fds", EncodeQueues(env, outcome.fds));
  if (!outcome.left.empty()) {
    Napi::Array left = Napi::Array::New(env, outcome.left.size());
    for (size_t i = 0; i < outcome.left.size(); ++i) {
      left.Set(static_cast<uint32_t>(i), EncodeFailure(env, outcome.left[i]));
    }
    object.Set("left", left);
  }
  if (reply.deletion.failure) {
    object.Set("deletionFailure", EncodeError(env, *reply.deletion.failure));
    object.Set("isForeign", Napi::Boolean::New(env, reply.deletion.is_foreign));
  }
  if (reply.rollback.failure) {
    object.Set("rollbackFailure", EncodeError(env, *reply.rollback.failure));
  }
  if (!reply.deletion.absent.empty()) {
    object.Set("absent", NumberArray(env, reply.deletion.absent));
  }
  if (outcome.flows) object.Set("flows", *outcome.flows);
  return object;
}

}  // namespace snnet::napi
