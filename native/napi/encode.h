// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <string>
#include <string_view>
#include <vector>

#include "exec/engine.h"

namespace snnet::napi {

// Rows on their way to JS: all numbers in one array, all texts in one string with a NUL after each.
// Filled on the engine's thread; a row of five thousand links costs the JS thread next to nothing.
struct Table {
  std::vector<uint32_t> numbers;
  std::string text;
  // Of the last link: a node has thousands of one kind, one after the other.
  std::string kind;

  void AddText(std::string_view value);
  void Clear();
};

void AddLink(Table& table, const rtnl::LinkRow& row);
void AddEvent(Table& table, const exec::LinkEvent& event);
void AddAddress(Table& table, const rtnl::Address& row);
void AddRoute(Table& table, const rtnl::Route& row);
void AddNeighbour(Table& table, const rtnl::NeighbourRow& row);

Napi::Value EncodeTable(Napi::Env env, const Table& table);
Napi::Object EncodeError(Napi::Env env, const sys::Error& error);
// `{ error }`: how a call settles that was refused.
Napi::Object WithError(Napi::Env env, const sys::Error& error);
Napi::Object EncodeReply(Napi::Env env, const exec::PlanReply& reply);

}  // namespace snnet::napi
