// SPDX-License-Identifier: MIT
//
// What is asked on a LAN and on one host, and answered (WIRE.md 10): values and their bytes. It
// knows neither links nor time.
//
// 1. Each message has one spelling: parse_beacon(write_beacon(x)) is x, and whatever else it is
//    given is nothing.
// 2. An answer is as long as its question.
// 3. The network's name is in neither, and nothing that follows from a password or a secret: a mark
//    is a hash over the name and the question's nonce.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"

namespace stun {

enum class BeaconKind : uint8_t { ask = 0xe0, answer = 0xe1 };

struct BeaconMessage {
  using Nonce = std::array<uint8_t, 16>;
  using Mark = std::array<uint8_t, 16>;

  BeaconKind kind = BeaconKind::ask;
  Nonce nonce{};      // drawn by who asks, and repeated in the answer
  Mark mark{};        // beacon_mark() of the kind, the network's name and the nonce
  uint16_t port = 0;  // of an answer: where the node is, at the address that the answer comes from
  bool operator==(const BeaconMessage&) const = default;
};

/// Where a network is asked for: no port that IANA has assigned, beside those of rendezvous.
inline constexpr uint16_t beacon_port = 7702;
/// Of the block that every site may use as it likes (RFC 2365 section 6.1), with a TTL of 1; and of
/// IPv6 a transient group that does not leave its link (RFC 4291 section 2.7).
mrt::Address beacon_group(bool v4);

std::optional<BeaconMessage> parse_beacon(mrt::ByteView datagram);
mrt::Bytes write_beacon(const BeaconMessage& message);
BeaconMessage::Mark beacon_mark(BeaconKind kind, std::string_view network,
                                const BeaconMessage::Nonce& nonce);

}  // namespace stun
