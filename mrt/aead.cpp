// SPDX-License-Identifier: MIT
#include "mrt/aead.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <climits>

#include "mrt/base/check.h"

namespace mrt {

namespace {

// Both directions of 128 connections that are busy at the same time keep their contexts, a quarter
// of a megabyte: a hundred members that are all told the same take a twentieth less of the
// processor than with a context for each third of them. More than that share: setting one up again
// costs less than sealing a packet of 1,400 bytes.
constexpr size_t slot_count = 256;

constexpr size_t aes_key_bytes = 16;

/// Looked up once: it never changes, and a look-up costs more than a packet.
const EVP_CIPHER* algorithm(Cipher cipher) {
  static EVP_CIPHER* const aes = EVP_CIPHER_fetch(nullptr, "AES-128-GCM", nullptr);
  static EVP_CIPHER* const chacha = EVP_CIPHER_fetch(nullptr, "ChaCha20-Poly1305", nullptr);
  EVP_CIPHER* const found = cipher == Cipher::aes_128_gcm ? aes : chacha;
  CHECK(found != nullptr);
  return found;
}

/// RFC 9001 section 5.3: "The 62 bits of the reconstructed QUIC packet number in network byte
/// order are left-padded with zeros to the size of the IV. The exclusive OR of the padded packet
/// number and the IV forms the AEAD nonce."
std::array<uint8_t, 12> nonce_of(const AeadKey& key, uint64_t number) {
  std::array<uint8_t, 12> nonce = key.iv;
  for (size_t i = 0; i < sizeof number; ++i) {
    nonce[nonce.size() - 1 - i] ^= static_cast<uint8_t>(number >> (8 * i));
  }
  return nonce;
}

struct Parts {
  ByteView header;
  MutableBytes body;
  MutableBytes tag;
};

Parts parts_of(MutableBytes packet, size_t header_bytes) {
  const size_t sealed = packet.size() - header_bytes;
  return {packet.first(header_bytes), packet.subspan(header_bytes, sealed - aead_tag_bytes),
          packet.last(aead_tag_bytes)};
}

bool fits(MutableBytes packet, size_t header_bytes) {
  return packet.size() <= INT_MAX && packet.size() >= aead_tag_bytes &&
         packet.size() - aead_tag_bytes >= header_bytes;
}

/// The tag as OpenSSL takes and gives it; EVP_CIPHER_CTX_ctrl() would only build the same.
std::array<OSSL_PARAM, 2> tag_parameter(MutableBytes tag) {
  return {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag.data(), tag.size()),
          OSSL_PARAM_construct_end()};
}

/// The header counts for the tag, the body is turned over in place.
void run(EVP_CIPHER_CTX* context, const Parts& parts) {
  int size = 0;
  CHECK(EVP_CipherUpdate(context, nullptr, &size, parts.header.data(),
                         static_cast<int>(parts.header.size())) == 1);
  CHECK(EVP_CipherUpdate(context, parts.body.data(), &size, parts.body.data(),
                         static_cast<int>(parts.body.size())) == 1);
}

}  // namespace

struct CipherPool::Slot {
  EVP_CIPHER_CTX* context = nullptr;  // made when the slot is first used
  uint64_t serial = 0;                // of no key
};

CipherPool::CipherPool() : slots_(slot_count) {}

CipherPool::~CipherPool() {
  for (Slot& slot : slots_) EVP_CIPHER_CTX_free(slot.context);  // overwrites the key
}

AeadKey CipherPool::derive(Cipher cipher, const Secret& traffic_secret) {
  AeadKey out;
  out.cipher = cipher;
  out.serial = ++keys_made_;
  const size_t key_bytes = cipher == Cipher::aes_128_gcm ? aes_key_bytes : out.key.size();
  hkdf_expand(traffic_secret, "thuban key", out.key.room().first(key_bytes));
  hkdf_expand(traffic_secret, "thuban iv", out.iv);
  return out;
}

CipherPool::Slot& CipherPool::slot_of(const AeadKey& key, bool encrypts) {
  // Even slots open and odd ones seal.
  static_assert(slot_count % 2 == 0);
  return slots_[(key.serial * 2 + (encrypts ? 1 : 0)) % slot_count];
}

CipherPool::Slot& CipherPool::slot_for(const AeadKey& key, bool encrypts) {
  CHECK(key.serial != 0);
  Slot& slot = slot_of(key, encrypts);
  if (slot.serial == key.serial) return slot;
  if (!slot.context) slot.context = EVP_CIPHER_CTX_new();
  CHECK(slot.context != nullptr);
  // Naming the cipher anew would throw its state away and allocate it again.
  const EVP_CIPHER* wanted = algorithm(key.cipher);
  const bool same = EVP_CIPHER_CTX_get0_cipher(slot.context) == wanted;
  CHECK(EVP_CipherInit_ex2(slot.context, same ? nullptr : wanted, key.key.data(), nullptr,
                           encrypts ? 1 : 0, nullptr) == 1);
  slot.serial = key.serial;
  return slot;
}

void CipherPool::seal(const AeadKey& key, uint64_t number, size_t header_bytes,
                      MutableBytes packet) {
  CHECK(fits(packet, header_bytes));
  const Parts parts = parts_of(packet, header_bytes);
  EVP_CIPHER_CTX* context = slot_for(key, true).context;
  const auto nonce = nonce_of(key, number);
  CHECK(EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 1, nullptr) == 1);
  run(context, parts);
  int size = 0;
  CHECK(EVP_CipherFinal_ex(context, parts.tag.data(), &size) == 1);
  auto tag = tag_parameter(parts.tag);
  CHECK(EVP_CIPHER_CTX_get_params(context, tag.data()) == 1);
}

bool CipherPool::open(const AeadKey& key, uint64_t number, size_t header_bytes,
                      MutableBytes packet) {
  if (!fits(packet, header_bytes)) return false;
  const Parts parts = parts_of(packet, header_bytes);
  EVP_CIPHER_CTX* context = slot_for(key, false).context;
  const auto nonce = nonce_of(key, number);
  const auto tag = tag_parameter(parts.tag);
  CHECK(EVP_CipherInit_ex2(context, nullptr, nullptr, nonce.data(), 0, tag.data()) == 1);
  run(context, parts);
  int size = 0;
  return EVP_CipherFinal_ex(context, parts.tag.data(), &size) == 1;
}

void CipherPool::forget(const AeadKey& key) {
  for (const bool encrypts : {false, true}) {
    Slot& slot = slot_of(key, encrypts);
    if (slot.serial != key.serial) continue;
    EVP_CIPHER_CTX_reset(slot.context);  // overwrites the key
    slot.serial = 0;
  }
}

bool cpu_has_aes() {
#if defined(__x86_64__) || defined(__i386__)
  return __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul");
#elif defined(__ARM_FEATURE_AES)
  return true;  // the compiler was told so; to ask the CPU takes the operating system
#else
  return false;
#endif
}

}  // namespace mrt
