// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "nft/expression.h"
#include "nft/writer.h"

namespace snnet::nft {

// NFTA_DATA_VERDICT
void WriteVerdict(Writer& writer, const Verdict& verdict);

// One member of NFTA_RULE_EXPRESSIONS.
void WriteExpression(Writer& writer, const Expression& expression);

}  // namespace snnet::nft
