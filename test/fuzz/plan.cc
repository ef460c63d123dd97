// SPDX-License-Identifier: Apache-2.0
//
// A plan as JS hands it over: read, decoded, and made into messages for the kernel. A NUL, which no
// plan contains, ends the text; the bytes after it are the buffers that the plan refers to.
#include "exec/step_messages.h"
#include "input.h"
#include "napi/decode_step.h"
#include "nft/batch.h"

namespace {

using namespace snnet;
using fuzz::Require;

constexpr size_t kBuffers = 4;

void Build(const exec::Step& step) {
  for (const nl::Message& message : exec::MessagesFor(step, exec::OtherNamespaces())) {
    Require(message.IsComplete(), "what is decoded fits into its message");
    Require(!message.text().empty(), "a message says what it asks for");
  }
  if (const auto* transaction = std::get_if<exec::Transaction>(&step.action)) {
    uint32_t sequence = 0;
    const nft::Batch batch =
        nft::BuildBatch(transaction->commands, {}, [&sequence] { return ++sequence; });
    for (const size_t owner : batch.owners) {
      Require(owner < transaction->commands.size(), "a message belongs to a command");
    }
    for (const nft::Command& command : transaction->commands) {
      static_cast<void>(nft::Describe(command));
    }
  }
  if (const auto* flows = std::get_if<exec::DeleteFlows>(&step.action)) {
    for (const nft::Tuple& tuple : flows->flows) {
      Require(nft::DeleteFlow(tuple).IsComplete(), "what is decoded fits into its message");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t end = std::min(input.find('\0'), size);
  const auto rest = std::make_shared<const std::vector<uint8_t>>(data + std::min(end + 1, size),
                                                                 data + size);
  const std::vector<napi::Reader::Bytes> buffers(kBuffers, rest);
  std::string why;
  const auto plan = napi::DecodePlan(std::string(input.substr(0, end)), buffers, why);
  Require(plan.has_value() == why.empty(), "what is refused is refused with a reason");
  if (!plan) return 0;
  for (const exec::PlanStep& step : plan->steps) {
    Build(step.step);
    if (step.undo) Build(*step.undo);
  }
  return 0;
}
