// SPDX-License-Identifier: MIT
//
// Where datagrams go: an IP address and port, and a path (local, remote). Values only;
// it knows no sockets. IPv4 is held in IPv4-mapped form (RFC 4291 section 2.5.5.2), so
// that one type serves both.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/bytes.h"

namespace mrt {

struct Address {
  std::array<uint8_t, 16> ip{};
  uint16_t port = 0;

  auto operator<=>(const Address&) const = default;

  static Address v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
  /// "192.0.2.1:7700", "[2001:db8::1]:7700". No names, no scope; nothing if it is neither.
  static std::optional<Address> parse(std::string_view text);
  /// An address without a port, with `port` set beside it.
  static std::optional<Address> parse(std::string_view ip, uint16_t port);

  bool is_v4() const;
  bool is_loopback() const;
  /// 0.0.0.0 or ::.
  bool is_unspecified() const;
  bool is_multicast() const;
  /// Means another host in each LAN: RFC 1918, RFC 6598 (a provider's own NAT), RFC 3927, RFC 4193,
  /// RFC 4291's link-local, and loopback.
  bool is_private() const;
  /// Something that a datagram can be sent to: a port, and neither unspecified, multicast
  /// nor the IPv4 broadcast.
  bool is_unicast() const;
  std::string to_string() const;
};

/// 19 bytes at most: 4 or 6, the address, the port. WIRE.md 6.2.
void write_address(Builder& out, const Address& address);
Address read_address(Reader& in);

/// One way between two hosts. `local` tells which socket; its port may be all that is known.
struct Path {
  Address local;
  Address remote;
  auto operator<=>(const Path&) const = default;
  /// Both ends are on one host: over 127.0.0.0/8 or ::1, or from one of its addresses to the same
  /// one, which a kernel sends over its loopback device and takes from nowhere else.
  bool is_on_one_host() const { return remote.is_loopback() || remote.ip == local.ip; }
};

}  // namespace mrt
