// SPDX-License-Identifier: MIT
//
// What is said to a gateway, and by it, to have a port of it lead here: PCP's MAP (RFC 6887) and
// NAT-PMP (RFC 6886), as values and their bytes. IPv4 and UDP alone.
//
// 1. Whatever is cut, of another version or another kind is nothing.
#pragma once

#include <array>
#include <optional>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"

namespace stun {

/// RFC 6887 section 19.1; NAT-PMP has the same.
inline constexpr uint16_t port_map_port = 5351;

enum class PortMapProtocol : uint8_t { pcp, nat_pmp, upnp };

struct PcpMap {
  using Nonce = std::array<uint8_t, 12>;  // whose mapping it is

  Nonce nonce{};
  uint16_t internal_port = 0;
  uint32_t life_seconds = 0;  // 0: the mapping ends
  mrt::Address external;      // wanted, or given; unspecified: any
};
struct PcpAnswer {
  uint8_t result = 0;  // RFC 6887 section 7.4
  PcpMap map;
};
/// The only one of its results that leads elsewhere; NAT-PMP says 1 as well.
inline constexpr uint8_t unsupported_version = 1;

/// `own`: the address that the gateway sees this come from.
mrt::Bytes write_pcp_map(const PcpMap& map, const mrt::Address& own);
std::optional<PcpAnswer> parse_pcp_answer(mrt::ByteView datagram);

struct NatPmpMap {
  uint16_t internal_port = 0;
  uint16_t external_port = 0;
  uint32_t life_seconds = 0;
};
struct NatPmpAnswer {
  uint16_t result = 0;  // RFC 6886 section 3.5
  // One of these, unless it was refused.
  std::optional<mrt::Address> external;  // with port 0
  std::optional<NatPmpMap> map;
};

mrt::Bytes write_nat_pmp_ask_address();
mrt::Bytes write_nat_pmp_map(const NatPmpMap& map);
std::optional<NatPmpAnswer> parse_nat_pmp_answer(mrt::ByteView datagram);

}  // namespace stun
