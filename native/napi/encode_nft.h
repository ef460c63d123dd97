// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include "exec/nft_monitor.h"
#include "napi/encode.h"
#include "napi/nft_names.h"
#include "nft/conntrack.h"
#include "nft/ruleset.h"

namespace snnet::napi {

// Null where there is no such table.
Napi::Value EncodeTableState(Napi::Env env, const std::optional<nft::TableState>& state);
Napi::Value EncodeOverview(Napi::Env env, const nft::Overview& overview);
Napi::Value EncodeRules(Napi::Env env, const std::vector<nft::RuleRow>& rules);
Napi::Value EncodeExpression(Napi::Env env, const nft::Expression& expression);
Napi::Value EncodeVerdict(Napi::Env env, const nft::Verdict& verdict);
Napi::Value EncodeNftEvents(Napi::Env env, const std::vector<exec::NftEvent>& events);

void AddFlow(Table& table, const nft::Flow& flow);

// Texts in an array: the words of those bits that are set.
Napi::Array FlagWords(Napi::Env env, Names names, uint32_t flags);

}  // namespace snnet::napi
