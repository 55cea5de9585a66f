// SPDX-License-Identifier: MIT
#include "mrt/cpace.h"

#include <sodium/crypto_core_ristretto255.h>
#include <sodium/crypto_hash_sha512.h>
#include <sodium/crypto_scalarmult_ristretto255.h>

#include <string_view>

#include "mrt/base/check.h"

namespace mrt {

namespace {

// Draft, "CPace group objects G_Ristretto255 and G_Decaf448": G.DSI.
constexpr std::string_view domain = "CPaceRistretto255";
// The draft's G.DSI || b"_ISK".
constexpr std::string_view key_domain = "CPaceRistretto255_ISK";
// The draft's H.s_in_bytes: one block of SHA-512.
constexpr size_t hash_block_bytes = 128;

static_assert(sizeof(CpaceShare) == crypto_core_ristretto255_BYTES);
static_assert(sizeof(CpaceShare) == crypto_scalarmult_ristretto255_BYTES);
static_assert(SecretArray<32>::size() == crypto_scalarmult_ristretto255_SCALARBYTES);
static_assert(CpaceKey::size() == crypto_hash_sha512_BYTES);
static_assert(crypto_core_ristretto255_HASHBYTES == crypto_hash_sha512_BYTES);

/// Bytes that the draft's LEB128 takes for a length.
size_t leb128_size(size_t value) {
  size_t size = 1;
  while (value >>= 7) ++size;
  return size;
}

/// SHA-512 over the draft's lv_cat(...): each string after its length. Nothing is assembled, so
/// that no copy of a password is left.
class HashOfStrings {
 public:
  HashOfStrings() { crypto_hash_sha512_init(&state_); }
  ~HashOfStrings() { wipe({reinterpret_cast<uint8_t*>(&state_), sizeof state_}); }
  HashOfStrings(const HashOfStrings&) = delete;
  HashOfStrings& operator=(const HashOfStrings&) = delete;

  void add(ByteView string) {
    size_t length = string.size();
    while (length >= 0x80) {
      add_byte(static_cast<uint8_t>(length | 0x80));
      length >>= 7;
    }
    add_byte(static_cast<uint8_t>(length));
    crypto_hash_sha512_update(&state_, string.data(), string.size());
  }
  CpaceKey digest() {
    CpaceKey out;
    crypto_hash_sha512_final(&state_, out.data());
    return out;
  }

 private:
  void add_byte(uint8_t byte) { crypto_hash_sha512_update(&state_, &byte, 1); }

  crypto_hash_sha512_state state_;
};

/// Draft, "Sampling of scalars" and G.sample_scalar(): as many random bits as the group's order
/// has, 252, little-endian; that it is not quite uniform does no harm.
SecretArray<32> sample_scalar(Random& random) {
  SecretArray<32> scalar;
  random.fill(scalar.room());
  scalar.data()[31] &= 0x0f;
  return scalar;
}

}  // namespace

CpaceShare cpace_generator(const CpaceInput& input) {
  // Draft, generator_string(): zeros fill the first block after the password, so that neither
  // its length nor anything chosen by others shows in how that block is hashed.
  static constexpr std::array<uint8_t, hash_block_bytes> zeros{};
  const size_t before = leb128_size(domain.size()) + domain.size() +
                        leb128_size(input.password.size()) + input.password.size();
  const size_t padding = before < hash_block_bytes ? hash_block_bytes - 1 - before : 0;

  HashOfStrings hash;
  hash.add(as_bytes(domain));
  hash.add(input.password);
  hash.add(ByteView(zeros).first(padding));
  hash.add(input.channel);
  hash.add(input.session);
  const CpaceKey uniform = hash.digest();
  CpaceShare generator;
  CHECK(crypto_core_ristretto255_from_hash(generator.data(), uniform.data()) == 0);
  return generator;
}

CpaceRun::CpaceRun(const CpaceInput& input, Random& random)
    : CpaceRun(input, sample_scalar(random)) {}

CpaceRun::CpaceRun(const CpaceInput& input, const SecretArray<32>& scalar)
    : session_(input.session.begin(), input.session.end()), scalar_(scalar) {
  // Whoever learns the generator can try passwords offline.
  const SecretArray<32> generator(cpace_generator(input));
  // Fails only for a scalar of zero or a hash that gives the neutral element: 2^-252 each.
  CHECK(crypto_scalarmult_ristretto255(share_.data(), scalar_.data(), generator.data()) == 0);
}

std::optional<CpaceKey> CpaceRun::finish_initiator(const CpaceShare& theirs, ByteView own,
                                                   ByteView their_data) const {
  return finish(theirs, share_, own, theirs, their_data);
}

std::optional<CpaceKey> CpaceRun::finish_responder(const CpaceShare& theirs, ByteView own,
                                                   ByteView their_data) const {
  return finish(theirs, theirs, their_data, share_, own);
}

std::optional<CpaceKey> CpaceRun::finish(const CpaceShare& theirs,
                                         const CpaceShare& initiator_share, ByteView initiator_data,
                                         const CpaceShare& responder_share,
                                         ByteView responder_data) const {
  // The draft's scalar_mult_vfy: no key where the share does not decode or the product is the
  // neutral element. RFC 9496 section 4.3.1 lets no number beyond the field's decode; libsodium
  // 1.0.18 does not look at the top bit.
  if (theirs.back() & 0x80) return std::nullopt;
  SecretArray<32> product;
  if (crypto_scalarmult_ristretto255(product.data(), scalar_.data(), theirs.data()) != 0) {
    return std::nullopt;
  }
  HashOfStrings hash;
  hash.add(as_bytes(key_domain));
  hash.add(session_);
  hash.add(product.view());
  hash.add(initiator_share);
  hash.add(initiator_data);
  hash.add(responder_share);
  hash.add(responder_data);
  return hash.digest();
}

}  // namespace mrt
