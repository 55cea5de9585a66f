// SPDX-License-Identifier: MIT
#include "mrt/seal.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace mrt {

namespace {

// WIRE.md 4.3: the ASCII of "thuban-1" as a little-endian u64.
constexpr uint64_t long_seed = 0x312d'6e61'6275'6874;

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

void Seal::seal(PacketNumber number, MutableBytes packet) const {
  write_checksum(packet, seed_ ^ number.value);
}

bool Seal::open(PacketNumber number, bool key_phase, MutableBytes packet) const {
  return !key_phase && checksum_is_right(packet, seed_ ^ number.value);
}

}  // namespace mrt
