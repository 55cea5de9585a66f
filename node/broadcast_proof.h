// SPDX-License-Identifier: MIT
//
// Who said a broadcast, proven by its sender's signature (WIRE.md 6.5): for the day on which it
// comes by way of another than its sender or the supernode. It knows keys and messages, no
// connections and no roster.
//
// 1. A signature fits one kind and body, as one number of one life of one node, in one network.
// 2. Place and nick are the supernode's word and not covered.
#pragma once

#include <string_view>

#include "mrt/identity.h"
#include "node/message.h"

namespace node {

/// Who signs, and for which network.
struct Signer {
  const mrt::Identity& identity;
  std::string_view network;
};

/// The same message is always signed alike. Costs 25 us for a line, 0.5 ms for 64 KiB.
mrt::Signature sign_broadcast(const Signer& signer, const Publish& message);

/// Whether the one whose key it carries has said it. Costs 0.1 ms, and as much again for each
/// proof_step of its body.
bool is_proven(const Ordered& message, std::string_view network);

/// Hashing so much costs as much as the rest of the proof.
inline constexpr size_t proof_step = 16 * 1024;

}  // namespace node
