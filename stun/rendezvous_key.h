// SPDX-License-Identifier: MIT
//
// The key under which a network is found at a rendezvous server (WIRE.md 9.2): an Ed25519 key that
// all who know the network's name and secret derive alike. Its public half is the look-up id, what
// it signs is a registration. It knows no server and keeps nothing.
//
// 1. The server learns neither name nor secret. Whoever runs one can test guesses of a password,
//    each at the price of Argon2id; a random secret cannot be guessed and costs one hash.
// 2. Stretching takes a tenth of a second and 64 MiB: beside the loop, never on it.
#pragma once

#include <string_view>

#include "mrt/base/secret.h"
#include "stun/rendezvous_wire.h"

namespace stun {

/// What the key is made from: as secret as what it comes from.
using RendezvousSeed = mrt::SecretArray<32>;

/// Of a network that anyone may come into: a name and nothing else, so anyone can also register.
RendezvousSeed open_rendezvous_seed(std::string_view network);
/// Of a random secret of at least 128 bits.
RendezvousSeed secret_rendezvous_seed(std::string_view network, mrt::ByteView secret);
/// Argon2id (RFC 9106) with libsodium's interactive limits. Nothing where there is no memory for
/// it. Waits: for a thread of its own.
std::optional<RendezvousSeed> stretched_rendezvous_seed(std::string_view network,
                                                        mrt::ByteView password);

class RendezvousKey {
 public:
  explicit RendezvousKey(const RendezvousSeed& seed);

  const LookUpId& id() const { return id_; }
  /// Fills in id and signature.
  void sign(Registration& registration) const;

 private:
  LookUpId id_{};
  mrt::SecretArray<64> secret_key_;
};

}  // namespace stun
