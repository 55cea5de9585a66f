// SPDX-License-Identifier: MIT
//
// Authenticated encryption of packets: AES-128-GCM and ChaCha20-Poly1305 as OpenSSL has them,
// in place. Keys are small and belong to connections; contexts (a kilobyte each, and a third of
// a microsecond to set up) are few and belong to the endpoint: a busy connection finds its own
// again, an idle one needs none.
//
// 1. A number is never used twice under one key: the caller's packet numbers see to it.
// 2. What fails to open leaves no trace but its result.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/secret.h"
#include "mrt/key_schedule.h"

namespace mrt {

inline constexpr size_t aead_tag_bytes = 16;

enum class Cipher : uint8_t { aes_128_gcm, chacha20_poly1305 };

/// One direction's key of one key phase.
struct AeadKey {
  Cipher cipher = Cipher::aes_128_gcm;
  uint64_t serial = 0;  // unlike any other key of this pool: contexts are known by it
  SecretArray<32> key;  // AES takes the first 16 bytes
  std::array<uint8_t, 12> iv{};
};

class CipherPool {
 public:
  CipherPool();
  ~CipherPool();
  CipherPool(const CipherPool&) = delete;
  CipherPool& operator=(const CipherPool&) = delete;

  /// The key and IV that follow from a traffic secret (WIRE.md 3.10).
  AeadKey derive(Cipher cipher, const Secret& traffic_secret);
  /// Seals `packet`: its first `header_bytes` stay readable, the last aead_tag_bytes become the
  /// tag, what lies between is encrypted in place. The nonce is `number` xored into the IV
  /// (RFC 9001 section 5.3).
  void seal(const AeadKey& key, uint64_t number, size_t header_bytes, MutableBytes packet);
  /// Opens in place. False where the tag is wrong: what lies between is then worthless.
  bool open(const AeadKey& key, uint64_t number, size_t header_bytes, MutableBytes packet);
  /// Overwrites what a context still holds of a key that is not used any more.
  void forget(const AeadKey& key);

 private:
  struct Slot;
  Slot& slot_of(const AeadKey& key, bool encrypts);
  Slot& slot_for(const AeadKey& key, bool encrypts);

  std::vector<Slot> slots_;
  uint64_t keys_made_ = 0;
};

/// Whether this CPU computes AES-GCM by instruction: without, ChaCha20 is faster and safe
/// against cache timing.
bool cpu_has_aes();

}  // namespace mrt
