// SPDX-License-Identifier: MIT
//
// The 16-byte trailer of each packet (WIRE.md 4.3): an AEAD's tag, or in suite plain XXH3-64 and
// zeros. Keys of one connection in both directions, and their renewal (WIRE.md 4.5). It does not
// know what is in a packet.
//
// 1. A packet number is sealed once: numbers only rise, also across key updates.
// 2. Each direction's key is renewed by its sender, long before the cipher's limits; the next
//    one is taken only by a packet that opens with it.
// 3. Keys that are not needed any more are overwritten.
#pragma once

#include <memory>
#include <optional>

#include "mrt/aead.h"
#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/key_schedule.h"

namespace mrt {

// 16 random bytes that name one attempt to connect (WIRE.md 3.1).
using HandshakeId = std::array<uint8_t, 16>;

/// The packet ends with room for the trailer, which is written.
void seal_long(MutableBytes packet);
bool open_long(ByteView packet);

// RFC 9001 section 6.6 allows AES-GCM 2^23 packets of any size under one key. An eighth of that
// keeps far away from it, and is still minutes of work for most connections.
inline constexpr uint64_t packets_per_key_default = uint64_t{1} << 20;
// The same section: so many failures to open, and a forger's chances are no longer negligible.
// The lowest of the ciphers' limits (ChaCha20-Poly1305).
inline constexpr uint64_t forgeries_max = uint64_t{1} << 36;

class Seal {
 public:
  static Seal plain(const HandshakeId& initiator, const HandshakeId& responder);
  /// `pool` outlives the Seal.
  static Seal with_keys(CipherPool& pool, Cipher cipher, const Secret& sending,
                        const Secret& receiving, uint64_t packets_per_key);

  bool is_plain() const { return !keys_; }

  /// Renews the sending key if it is due and the peer has shown that it has the last one; before
  /// the header of `next` is written. How many times it was renewed: key_updates().
  void renew_if_due(PacketNumber next);
  /// The bit that packets sealed now carry.
  bool key_phase() const { return keys_ && keys_->sending_phase; }
  /// `packet` is header, frames and room for the trailer, which is written.
  void seal(PacketNumber number, size_t header_bytes, MutableBytes packet);
  /// True if the trailer is right, and then the frames can be read. `packet` is the whole packet;
  /// where it fails its bytes are worthless.
  bool open(PacketNumber number, bool key_phase, size_t header_bytes, MutableBytes packet);
  /// The bit of the packets that open with the newest key.
  bool receiving_phase() const { return keys_ && keys_->receiving_phase; }
  /// The peer has acknowledged a packet of ours.
  void on_acked(PacketNumber number);
  /// The receiving key before the last renewal; packets on the way still need it.
  bool has_old_key() const { return keys_ && keys_->old_receiving; }
  void forget_old_key();

  uint64_t key_updates() const { return keys_ ? keys_->updates : 0; }
  uint64_t plain_seed() const { return seed_; }

 private:
  struct Keys {
    CipherPool* pool = nullptr;
    Cipher cipher = Cipher::aes_128_gcm;
    uint64_t packets_per_key = 0;
    uint64_t updates = 0;

    Secret sending_secret;
    AeadKey sending;
    bool sending_phase = false;
    uint64_t sealed = 0;        // packets under this key
    PacketNumber first_sealed;  // the first of this phase
    PacketNumber next_sealed;   // lower ones are spent: a nonce twice would give the key away
    bool phase_acked = false;   // the peer has opened one of this phase

    Secret receiving_secret;  // of `next_receiving`
    AeadKey receiving;
    AeadKey next_receiving;  // made beforehand: a forged key phase costs no more than another
    std::unique_ptr<AeadKey> old_receiving;  // for some probe time-outs after a renewal
    bool receiving_phase = false;
    PacketNumber first_opened;  // the packet that began this phase here

    Keys() = default;
    Keys(const Keys&) = delete;
    Keys& operator=(const Keys&) = delete;
    ~Keys();
    void prepare_next_receiving();
    void take_next_receiving(PacketNumber number);
  };

  explicit Seal(uint64_t seed) : seed_(seed) {}
  uint64_t seed_ = 0;
  std::unique_ptr<Keys> keys_;  // none in suite plain
};

}  // namespace mrt
