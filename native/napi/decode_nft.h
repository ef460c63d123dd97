// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exec/step.h"
#include "napi/nft_names.h"
#include "napi/reader.h"

namespace snnet::napi {

// The steps `nft` and `conntrack.delete`.
exec::Action DecodeTransaction(const Reader& from);
exec::Action DecodeFlows(const Reader& from);
nft::FlowFilter DecodeFlowFilter(const Reader& from);

nft::Expression DecodeExpression(const Reader& from);
nft::Verdict DecodeVerdict(const Reader& from);

// One of the words, as its number.
uint32_t DecodeName(const Reader& from, const char* name, Names names);
// Any of them, as their sum; none where the field is absent.
uint32_t DecodeFlags(const Reader& from, const char* name, Names names);
// Of a table, a chain or a set.
std::string DecodeNftName(const Reader& from, const char* name);

}  // namespace snnet::napi
