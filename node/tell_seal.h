// SPDX-License-Identifier: MIT
//
// Private messages, sealed from one identity to another so that whoever relays them reads
// nothing and changes nothing (WIRE.md 6.4; the pattern is K of the Noise framework, revision
// 34, section 7.4). It knows keys and texts, no connections and no roster.
//
// 1. It opens only for the life of the receiver that it was meant for, as a message of that
//    number of that life of that sender.
// 2. A key seals one message: the caller draws a new ephemeral X25519 key for each.
// 3. What is seen from outside is the text's length in steps of tell_text_step bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/secret.h"
#include "mrt/identity.h"
#include "node/ids.h"
#include "node/message.h"

namespace node {

/// One life of a node, with its Ed25519 key.
struct TellEnd {
  mrt::PublicKey key{};
  Incarnation incarnation;
};

/// Nothing where the receiver's key is none. `from` is the sender's identity.
/// REQUIRES: text.size() <= text_bytes_max.
std::optional<Tell> seal_tell(const mrt::Identity& from, Incarnation life, const TellEnd& to,
                              uint64_t number, std::string_view text,
                              const mrt::SecretArray<32>& ephemeral);

/// The text; nothing where it was changed, or is not from that sender's life to this one's.
std::optional<std::string> open_tell(const mrt::Identity& to, Incarnation life, const TellEnd& from,
                                     const Tell& message);

}  // namespace node
