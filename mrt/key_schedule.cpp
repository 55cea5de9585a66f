// SPDX-License-Identifier: MIT
#include "mrt/key_schedule.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <algorithm>
#include <memory>

#include "mrt/base/check.h"

namespace mrt {

namespace {

constexpr size_t hash_bytes = sizeof(TranscriptHash);

/// HMAC-SHA-256 (RFC 2104) over several pieces.
class Hmac {
 public:
  explicit Hmac(ByteView key) : context_(EVP_MAC_CTX_new(algorithm())) {
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    // A null pointer would mean "the key as before", and an empty view may hold one.
    static constexpr uint8_t no_key = 0;
    CHECK(context_ != nullptr);
    CHECK(EVP_MAC_init(context_.get(), key.empty() ? &no_key : key.data(), key.size(),
                       parameters) == 1);
  }

  void add(ByteView bytes) {
    CHECK(EVP_MAC_update(context_.get(), bytes.data(), bytes.size()) == 1);
  }
  Secret digest() {
    Secret out;
    size_t size = 0;
    CHECK(EVP_MAC_final(context_.get(), out.data(), &size, Secret::size()) == 1);
    CHECK(size == Secret::size());
    return out;
  }

 private:
  struct Free {
    void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  };

  // Looked up once: it never changes, and a look-up costs as much as the hashing.
  static EVP_MAC* algorithm() {
    static EVP_MAC* const hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
    CHECK(hmac != nullptr);
    return hmac;
  }

  std::unique_ptr<EVP_MAC_CTX, Free> context_;  // overwrites its key when it goes
};

}  // namespace

TranscriptHash sha256(ByteView bytes) {
  TranscriptHash out;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return out;
}

Secret hkdf_extract(ByteView salt, ByteView key) {
  // RFC 5869 section 2.2. A salt that is not given is a string of zeros there, which HMAC
  // cannot tell from an empty one.
  Hmac hmac(salt);
  hmac.add(key);
  return hmac.digest();
}

void hkdf_expand(const Secret& secret, std::string_view label, MutableBytes out) {
  // RFC 5869 section 2.3: T(i) = HMAC(PRK, T(i-1) | info | i).
  CHECK(out.size() <= 255 * hash_bytes);
  Secret block;
  uint8_t index = 1;
  for (size_t done = 0; done < out.size(); ++index) {
    Hmac hmac(secret.view());
    if (index > 1) hmac.add(block.view());
    hmac.add(as_bytes(label));
    hmac.add(ByteView(&index, 1));
    block = hmac.digest();
    const size_t size = std::min(hash_bytes, out.size() - done);
    std::copy_n(block.data(), size, out.data() + done);
    done += size;
  }
}

Secret hkdf_expand(const Secret& secret, std::string_view label) {
  Secret out;
  hkdf_expand(secret, label, out.room());
  return out;
}

HandshakeSecrets derive_secrets(ByteView exchanged_key, const TranscriptHash& transcript) {
  // WIRE.md 3.10.
  const Secret root = hkdf_extract(transcript, exchanged_key);
  HandshakeSecrets out;
  hkdf_expand(root, "thuban confirm", out.confirmation);
  out.to_responder = hkdf_expand(root, "thuban to responder");
  out.to_initiator = hkdf_expand(root, "thuban to initiator");
  return out;
}

}  // namespace mrt
