// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "exec/step.h"
#include "napi/reader.h"

namespace snnet::napi {

// A plan from JS: the JSON of `{ steps: [{ step, undo? }, …], fault? }`, the fault being
// `{ step, errno | kill }`. Every field is checked again here; on a bad one there is no plan, and
// `why` says which. Bytes stand in it as numbers of `buffers`.
std::optional<exec::Plan> DecodePlan(std::string text, const std::vector<Reader::Bytes>& buffers,
                                     std::string& why);

}  // namespace snnet::napi
