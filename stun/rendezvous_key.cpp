// SPDX-License-Identifier: MIT
#include "stun/rendezvous_key.h"

#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/crypto_pwhash_argon2id.h>
#include <sodium/crypto_sign_ed25519.h>

#include "mrt/base/check.h"

namespace stun {

namespace {

/// BLAKE2b over parts that cannot be mistaken for others, cut to what is asked for.
void hash(mrt::MutableBytes out, std::string_view purpose, std::string_view network,
          mrt::ByteView secret) {
  mrt::Builder in;
  in.sized_text(purpose);
  in.sized_text(network);
  const mrt::Bytes known = in.take();
  crypto_generichash_blake2b_state state;
  CHECK(crypto_generichash_blake2b_init(&state, nullptr, 0, out.size()) == 0);
  crypto_generichash_blake2b_update(&state, known.data(), known.size());
  crypto_generichash_blake2b_update(&state, secret.data(), secret.size());
  CHECK(crypto_generichash_blake2b_final(&state, out.data(), out.size()) == 0);
  mrt::wipe({reinterpret_cast<uint8_t*>(&state), sizeof state});
}

}  // namespace

RendezvousSeed open_rendezvous_seed(std::string_view network) {
  RendezvousSeed seed;
  hash(seed.room(), "thuban rendezvous 1 open", network, {});
  return seed;
}

RendezvousSeed secret_rendezvous_seed(std::string_view network, mrt::ByteView secret) {
  RendezvousSeed seed;
  hash(seed.room(), "thuban rendezvous 1 secret", network, secret);
  return seed;
}

std::optional<RendezvousSeed> stretched_rendezvous_seed(std::string_view network,
                                                        mrt::ByteView password) {
  // The name is the salt: a table made for one network is of no use for another.
  std::array<uint8_t, crypto_pwhash_argon2id_SALTBYTES> salt;
  hash(salt, "thuban rendezvous 1 salt", network, {});
  RendezvousSeed seed;
  const int error = crypto_pwhash_argon2id(
      seed.data(), RendezvousSeed::size(), mrt::as_text(password).data(), password.size(),
      salt.data(), crypto_pwhash_argon2id_OPSLIMIT_INTERACTIVE,
      crypto_pwhash_argon2id_MEMLIMIT_INTERACTIVE, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (error != 0) return std::nullopt;
  return seed;
}

RendezvousKey::RendezvousKey(const RendezvousSeed& seed) {
  static_assert(RendezvousSeed::size() == crypto_sign_ed25519_SEEDBYTES);
  static_assert(mrt::SecretArray<64>::size() == crypto_sign_ed25519_SECRETKEYBYTES);
  CHECK(crypto_sign_ed25519_seed_keypair(id_.data(), secret_key_.data(), seed.data()) == 0);
}

void RendezvousKey::sign(Registration& registration) const {
  registration.id = id_;
  const mrt::Bytes covered = signed_part(registration);
  CHECK(crypto_sign_ed25519_detached(registration.signature.data(), nullptr, covered.data(),
                                     covered.size(), secret_key_.data()) == 0);
}

}  // namespace stun
