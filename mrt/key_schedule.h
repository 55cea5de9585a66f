// SPDX-License-Identifier: MIT
//
// From the key exchange's result to the keys of a connection (WIRE.md 3.10): HKDF with SHA-256
// (RFC 5869), each output with a label of its own. Nothing here is kept.
#pragma once

#include <array>
#include <string_view>

#include "mrt/base/bytes.h"
#include "mrt/base/secret.h"

namespace mrt {

/// SHA-256 of what both sides said in the handshake.
using TranscriptHash = std::array<uint8_t, 32>;
using Secret = SecretArray<32>;

TranscriptHash sha256(ByteView bytes);
/// HKDF-Extract and HKDF-Expand, RFC 5869 section 2. `out` at most 255 * 32 bytes.
Secret hkdf_extract(ByteView salt, ByteView key);
void hkdf_expand(const Secret& secret, std::string_view label, MutableBytes out);
Secret hkdf_expand(const Secret& secret, std::string_view label);

/// What follows from one handshake.
struct HandshakeSecrets {
  std::array<uint8_t, 32> confirmation;  // the responder shows it: it knew the secret
  Secret to_responder;                   // the traffic secrets, one for each direction
  Secret to_initiator;
};
HandshakeSecrets derive_secrets(ByteView exchanged_key, const TranscriptHash& transcript);

}  // namespace mrt
