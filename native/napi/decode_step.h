// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <napi.h>

#include <optional>

#include "exec/step.h"

namespace snnet::napi {

// A plan from JS: `[{ step, undo? }, …]` and, or not, `{ step, errno | kill }`. Every field is
// checked again here; on a bad one a TypeError is pending and there is no plan.
std::optional<exec::Plan> DecodePlan(const Napi::Value& steps, const Napi::Value& fault);

}  // namespace snnet::napi
