// SPDX-License-Identifier: MIT
#include "node/speech_limits.h"

#include "mrt/base/match.h"

namespace node {

/// A Merge has the supernode call eight addresses.
static constexpr int64_t merge_calls = 10;

void SpeechLimits::note(mrt::Instant now, const Message& message, size_t size) {
  bytes.spend(now, static_cast<int64_t>(size));
  std::visit(mrt::Match{
                 // One for each broadcast of everybody: its pace is the supernode's own.
                 [](const Holds&) {},
                 [&](const Tell&) {
                   messages.spend(now);
                   tells.spend(now);
                 },
                 [&](const Merge&) { calls.spend(now, merge_calls); },
                 [&](const auto& other) {
                   using M = std::decay_t<decltype(other)>;
                   constexpr bool is_call = std::is_same_v<M, Hello> ||
                                            std::is_same_v<M, Suspect> ||
                                            std::is_same_v<M, Gather> ||
                                            std::is_same_v<M, Survivor> || std::is_same_v<M, Want>;
                   (is_call ? calls : messages).spend(now);
                 },
             },
             message);
}

}  // namespace node
