// SPDX-License-Identifier: MIT
#include "mrt/seal.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace mrt {

namespace {

// WIRE.md 4.3: the ASCII of "thuban-1" as a little-endian u64.
constexpr uint64_t long_seed = 0x312d'6e61'6275'6874;
// WIRE.md 4.5.
constexpr std::string_view next_label = "thuban next";

void write_checksum(MutableBytes packet, uint64_t seed) {
  CHECK(packet.size() >= trailer_bytes);
  const size_t covered = packet.size() - trailer_bytes;
  const uint64_t sum = XXH3_64bits_withSeed(packet.data(), covered, seed);
  std::memcpy(packet.data() + covered, &sum, sizeof sum);
  std::memset(packet.data() + covered + sizeof sum, 0, trailer_bytes - sizeof sum);
}

bool checksum_is_right(ByteView packet, uint64_t seed) {
  if (packet.size() < trailer_bytes) return false;
  const size_t covered = packet.size() - trailer_bytes;
  uint64_t trailer[2];
  static_assert(sizeof trailer == trailer_bytes);
  std::memcpy(trailer, packet.data() + covered, sizeof trailer);
  return trailer[1] == 0 && trailer[0] == XXH3_64bits_withSeed(packet.data(), covered, seed);
}

}  // namespace

void seal_long(MutableBytes packet) { write_checksum(packet, long_seed); }

bool open_long(ByteView packet) { return checksum_is_right(packet, long_seed); }

Seal Seal::plain(const HandshakeId& initiator, const HandshakeId& responder) {
  std::array<uint8_t, 2 * sizeof(HandshakeId)> both;
  std::copy(initiator.begin(), initiator.end(), both.begin());
  std::copy(responder.begin(), responder.end(), both.begin() + initiator.size());
  return Seal(XXH3_64bits_withSeed(both.data(), both.size(), long_seed));
}

Seal Seal::with_keys(CipherPool& pool, Cipher cipher, const Secret& sending,
                     const Secret& receiving, uint64_t packets_per_key) {
  CHECK(packets_per_key > 0);
  Seal out(0);
  out.keys_ = std::make_unique<Keys>();
  Keys& keys = *out.keys_;
  keys.pool = &pool;
  keys.cipher = cipher;
  keys.packets_per_key = packets_per_key;
  keys.sending_secret = sending;
  keys.sending = pool.derive(cipher, sending);
  keys.receiving_secret = receiving;
  keys.receiving = pool.derive(cipher, receiving);
  keys.prepare_next_receiving();
  return out;
}

Seal::Keys::~Keys() {
  pool->forget(sending);
  pool->forget(receiving);
  pool->forget(next_receiving);
  if (old_receiving) pool->forget(*old_receiving);
}

void Seal::Keys::prepare_next_receiving() {
  receiving_secret = hkdf_expand(receiving_secret, next_label);
  next_receiving = pool->derive(cipher, receiving_secret);
}

void Seal::Keys::take_next_receiving(PacketNumber number) {
  if (old_receiving) pool->forget(*old_receiving);
  old_receiving = std::make_unique<AeadKey>(receiving);
  receiving = next_receiving;
  receiving_phase = !receiving_phase;
  first_opened = number;
  prepare_next_receiving();
}

void Seal::renew_if_due(PacketNumber next) {
  // RFC 9001 section 6.1: "An endpoint MUST NOT initiate a subsequent key update unless it has
  // received an acknowledgment for a packet that was sent protected with keys from the current
  // key phase." One bit is enough for the phase because of it.
  if (!keys_ || keys_->sealed < keys_->packets_per_key || !keys_->phase_acked) return;
  keys_->pool->forget(keys_->sending);
  keys_->sending_secret = hkdf_expand(keys_->sending_secret, next_label);
  keys_->sending = keys_->pool->derive(keys_->cipher, keys_->sending_secret);
  keys_->sending_phase = !keys_->sending_phase;
  keys_->sealed = 0;
  keys_->first_sealed = next;
  keys_->phase_acked = false;
  ++keys_->updates;
}

void Seal::seal(PacketNumber number, size_t header_bytes, MutableBytes packet) {
  if (!keys_) return write_checksum(packet, seed_ ^ number.value);
  CHECK(number >= keys_->next_sealed);
  keys_->pool->seal(keys_->sending, number.value, header_bytes, packet);
  keys_->next_sealed = PacketNumber{number.value + 1};
  ++keys_->sealed;
}

bool Seal::open(PacketNumber number, bool key_phase, size_t header_bytes, MutableBytes packet) {
  if (!keys_) return !key_phase && checksum_is_right(packet, seed_ ^ number.value);
  Keys& keys = *keys_;
  if (key_phase == keys.receiving_phase) {
    return keys.pool->open(keys.receiving, number.value, header_bytes, packet);
  }
  // RFC 9001 section 6.5: a packet of the other phase is an old one where its number is lower
  // than one of the current phase, and else of the next.
  if (number < keys.first_opened) {
    return keys.old_receiving &&
           keys.pool->open(*keys.old_receiving, number.value, header_bytes, packet);
  }
  if (!keys.pool->open(keys.next_receiving, number.value, header_bytes, packet)) return false;
  keys.take_next_receiving(number);
  return true;
}

void Seal::on_acked(PacketNumber number) {
  if (keys_ && number >= keys_->first_sealed) keys_->phase_acked = true;
}

void Seal::forget_old_key() {
  if (!has_old_key()) return;
  keys_->pool->forget(*keys_->old_receiving);
  keys_->old_receiving.reset();
}

}  // namespace mrt
