// SPDX-License-Identifier: MIT
//
// Who a program is: an Ed25519 key (RFC 8032). What it signs nobody else can; its public half
// is shown to every peer. It knows no node and no file: the seed is given to it.
#pragma once

#include <array>

#include "mrt/base/bytes.h"
#include "mrt/base/random.h"
#include "mrt/base/secret.h"

namespace mrt {

using PublicKey = std::array<uint8_t, 32>;
using Signature = std::array<uint8_t, 64>;

class Identity {
 public:
  /// The same seed is the same identity.
  explicit Identity(const Random::Seed& seed);

  const PublicKey& public_key() const { return public_key_; }
  Signature sign(ByteView message) const;
  /// libsodium's form of the private key: seed and public key. For what else is derived from it.
  const SecretArray<64>& secret_key() const { return secret_key_; }

 private:
  PublicKey public_key_{};
  SecretArray<64> secret_key_;
};

/// False also for keys of small order and for encodings that are not the canonical ones.
bool is_signed_by(const PublicKey& key, ByteView message, const Signature& signature);

}  // namespace mrt
