// SPDX-License-Identifier: MIT
#include "node/tell_seal.h"

#include <sodium/crypto_aead_chacha20poly1305.h>
#include <sodium/crypto_scalarmult_curve25519.h>
#include <sodium/crypto_sign_ed25519.h>

#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/key_schedule.h"
#include "node/file_name.h"

namespace node {
namespace {

using mrt::Bytes;
using mrt::ByteView;
using mrt::PublicKey;
using Scalar = mrt::SecretArray<32>;

constexpr size_t tag_bytes = crypto_aead_chacha20poly1305_ietf_ABYTES;
static_assert(sealed_tell_bytes_max == text_bytes_max + tell_text_step + tag_bytes);

// Where libsodium converts keys from Ed25519 to X25519 (RFC 7748) it refuses points of small
// order and those outside of the main subgroup.
std::optional<PublicKey> to_x25519(const PublicKey& key) {
  PublicKey out;
  if (crypto_sign_ed25519_pk_to_curve25519(out.data(), key.data()) != 0) return std::nullopt;
  return out;
}

Scalar to_x25519(const mrt::Identity& identity) {
  Scalar out;
  CHECK(crypto_sign_ed25519_sk_to_curve25519(out.data(), identity.secret_key().data()) == 0);
  return out;
}

/// Both exchanged secrets, one behind the other. False where one of them is zero: RFC 7748
/// section 6.1.
class Exchanged {
 public:
  bool first(const Scalar& own, const PublicKey& other) { return exchange(0, own, other); }
  bool second(const Scalar& own, const PublicKey& other) { return exchange(32, own, other); }

  Scalar key(const PublicKey& ephemeral, const PublicKey& from, const PublicKey& to) const {
    Bytes salt;
    for (const PublicKey* part : {&ephemeral, &from, &to}) {
      salt.insert(salt.end(), part->begin(), part->end());
    }
    return mrt::hkdf_expand(mrt::hkdf_extract(salt, both_.view()), "thuban tell");
  }

 private:
  bool exchange(size_t at, const Scalar& own, const PublicKey& other) {
    return crypto_scalarmult_curve25519(both_.data() + at, own.data(), other.data()) == 0;
  }

  mrt::SecretArray<64> both_;
};

/// What the seal covers beside the text.
Bytes associated(const Tell& message, Incarnation from, Incarnation to) {
  mrt::Builder out;
  write_node_id(out, message.from);
  write_node_id(out, message.to);
  out.u64(from.value);
  out.u64(to.value);
  out.u64(message.number);
  return out.take();
}

// A key seals one message, so its nonce says nothing.
constexpr std::array<uint8_t, crypto_aead_chacha20poly1305_ietf_NPUBBYTES> nonce{};

Bytes seal(const Scalar& key, ByteView bound, std::string_view text) {
  mrt::Builder padded;
  padded.sized_text(text);
  Bytes out = padded.take();
  out.resize((out.size() + tell_text_step - 1) / tell_text_step * tell_text_step);
  const size_t size = out.size();
  out.resize(size + tag_bytes);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, out.data(), size, bound.data(),
                                            bound.size(), nullptr, nonce.data(), key.data());
  return out;
}

std::optional<std::string> open(const Scalar& key, ByteView bound, ByteView sealed) {
  if (sealed.size() < tag_bytes) return std::nullopt;
  Bytes padded(sealed.size() - tag_bytes);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(padded.data(), nullptr, nullptr, sealed.data(),
                                                sealed.size(), bound.data(), bound.size(),
                                                nonce.data(), key.data()) != 0) {
    return std::nullopt;
  }
  mrt::Reader in(padded);
  std::string text(in.sized_text(text_bytes_max));
  const bool is_padding = std::ranges::all_of(in.rest(), [](uint8_t byte) { return byte == 0; });
  if (!in.ok() || !is_padding || !is_utf8(text)) return std::nullopt;
  return text;
}

}  // namespace

std::optional<Tell> seal_tell(const mrt::Identity& from, Incarnation life, const TellEnd& to,
                              uint64_t number, std::string_view text, const Scalar& ephemeral) {
  CHECK(text.size() <= text_bytes_max);
  Tell out{node_id_of(from.public_key()), node_id_of(to.key), number, {}, {}};
  crypto_scalarmult_curve25519_base(out.ephemeral.data(), ephemeral.data());
  const auto receiver = to_x25519(to.key);
  Exchanged exchanged;
  if (!receiver || !exchanged.first(ephemeral, *receiver) ||
      !exchanged.second(to_x25519(from), *receiver)) {
    return std::nullopt;
  }
  const Scalar key = exchanged.key(out.ephemeral, from.public_key(), to.key);
  out.sealed = seal(key, associated(out, life, to.incarnation), text);
  return out;
}

std::optional<std::string> open_tell(const mrt::Identity& to, Incarnation life, const TellEnd& from,
                                     const Tell& message) {
  const auto sender = to_x25519(from.key);
  const Scalar own = to_x25519(to);
  Exchanged exchanged;
  if (!sender || !exchanged.first(own, message.ephemeral) || !exchanged.second(own, *sender)) {
    return std::nullopt;
  }
  const Scalar key = exchanged.key(message.ephemeral, from.key, to.public_key());
  return open(key, associated(message, from.incarnation, life), message.sealed);
}

}  // namespace node
