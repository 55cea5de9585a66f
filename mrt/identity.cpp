// SPDX-License-Identifier: MIT
#include "mrt/identity.h"

#include <sodium/crypto_sign_ed25519.h>

#include "mrt/base/check.h"

namespace mrt {

static_assert(sizeof(Random::Seed) == crypto_sign_ed25519_SEEDBYTES);
static_assert(sizeof(PublicKey) == crypto_sign_ed25519_PUBLICKEYBYTES);
static_assert(sizeof(Signature) == crypto_sign_ed25519_BYTES);
static_assert(SecretArray<64>::size() == crypto_sign_ed25519_SECRETKEYBYTES);

Identity::Identity(const Random::Seed& seed) {
  CHECK(crypto_sign_ed25519_seed_keypair(public_key_.data(), secret_key_.data(), seed.data()) == 0);
}

Signature Identity::sign(ByteView message) const {
  // RFC 8032 section 5.1.6: the nonce follows from key and message, so no random is drawn.
  Signature signature;
  CHECK(crypto_sign_ed25519_detached(signature.data(), nullptr, message.data(), message.size(),
                                     secret_key_.data()) == 0);
  return signature;
}

bool is_signed_by(const PublicKey& key, ByteView message, const Signature& signature) {
  // libsodium refuses small orders, keys that are not reduced, and an S that is not (RFC 8032
  // section 5.1.7), and compares R as bytes.
  return crypto_sign_ed25519_verify_detached(signature.data(), message.data(), message.size(),
                                             key.data()) == 0;
}

}  // namespace mrt
