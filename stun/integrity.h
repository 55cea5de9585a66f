// SPDX-License-Identifier: MIT
//
// The two sums at the end of a STUN message: a CRC that tells it from what else comes to a socket,
// and an HMAC that only who has the key can make. They know nothing of messages.
#pragma once

#include <array>
#include <cstdint>

#include "mrt/base/bytes.h"

namespace stun {

/// HMAC-SHA1 (RFC 2104) over two pieces.
using Integrity = std::array<uint8_t, 20>;
Integrity integrity_of(mrt::ByteView key, mrt::ByteView first, mrt::ByteView second);
/// In a time that does not tell where they differ.
bool is_same(const Integrity& one, mrt::ByteView other);

/// The CRC-32 of ITU V.42, as Ethernet and zip files have it.
uint32_t crc32(mrt::ByteView bytes);
/// RFC 8489 section 14.7: "the CRC-32 of the STUN message up to (but excluding) the FINGERPRINT
/// attribute itself, XOR'ed with the 32-bit value 0x5354554e".
uint32_t fingerprint_of(mrt::ByteView bytes);

}  // namespace stun
