// SPDX-License-Identifier: MIT
//
// What a packet's trailer is made from and checked with (WIRE.md 4.3). Suite plain: XXH3-64
// under a seed. A connection asks it for nothing but seal() and open(), so an AEAD with
// key phases takes its place without a change elsewhere.
//
// 1. Packets are sealed and opened where they lie; nothing is allocated.
// 2. Whatever the bytes, open() says true or false and no more.
#pragma once

#include <array>

#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"

namespace mrt {

/// 16 random bytes that name one attempt to connect (WIRE.md 3.1).
using HandshakeId = std::array<uint8_t, 16>;

/// The packet ends with room for the trailer, which is written.
void seal_long(MutableBytes packet);
bool open_long(ByteView packet);

/// Keys of one connection, both directions.
class Seal {
 public:
  static Seal plain(const HandshakeId& initiator, const HandshakeId& responder);

  /// `packet` is header, frames and room for the trailer, which is written.
  void seal(PacketNumber number, MutableBytes packet) const;
  /// True if the trailer is right. `packet` is the whole packet.
  bool open(PacketNumber number, bool key_phase, MutableBytes packet) const;
  /// The bit that packets sealed now carry.
  bool key_phase() const { return false; }
  uint64_t plain_seed() const { return seed_; }

 private:
  explicit Seal(uint64_t seed) : seed_(seed) {}
  uint64_t seed_;
};

}  // namespace mrt
