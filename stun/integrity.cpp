// SPDX-License-Identifier: MIT
#include "stun/integrity.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <memory>

#include "mrt/base/check.h"

namespace stun {

namespace {

struct Free {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

constexpr std::array<uint32_t, 256> crc_table() {
  // The polynomial with its bits reversed, since the lowest bit of each byte goes first.
  constexpr uint32_t polynomial = 0xedb8'8320;
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < table.size(); ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? polynomial : 0);
    table[byte] = value;
  }
  return table;
}

}  // namespace

Integrity integrity_of(mrt::ByteView key, mrt::ByteView first, mrt::ByteView second) {
  const std::unique_ptr<EVP_MAC, Free> hmac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  CHECK(hmac != nullptr);
  const std::unique_ptr<EVP_MAC_CTX, Free> context(EVP_MAC_CTX_new(hmac.get()));
  char digest[] = "SHA1";
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  // A null pointer would mean "no key yet", and an empty view may hold one.
  static constexpr uint8_t no_key = 0;
  CHECK(context != nullptr);
  CHECK(EVP_MAC_init(context.get(), key.empty() ? &no_key : key.data(), key.size(), parameters) ==
        1);
  CHECK(EVP_MAC_update(context.get(), first.data(), first.size()) == 1);
  CHECK(EVP_MAC_update(context.get(), second.data(), second.size()) == 1);
  Integrity out;
  size_t size = 0;
  CHECK(EVP_MAC_final(context.get(), out.data(), &size, out.size()) == 1);
  CHECK(size == out.size());
  return out;
}

bool is_same(const Integrity& one, mrt::ByteView other) {
  return other.size() == one.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

uint32_t crc32(mrt::ByteView bytes) {
  static constexpr std::array<uint32_t, 256> table = crc_table();
  uint32_t value = 0xffff'ffff;
  for (const uint8_t byte : bytes) value = (value >> 8) ^ table[(value ^ byte) & 0xff];
  return ~value;
}

uint32_t fingerprint_of(mrt::ByteView bytes) {
  return crc32(bytes) ^ 0x5354'554e;  // "STUN"
}

}  // namespace stun
