// SPDX-License-Identifier: MIT
#include "mrt/base/address.h"

#include <arpa/inet.h>  // inet_pton and inet_ntop: pure text conversion, no sockets

#include <algorithm>
#include <charconv>
#include <cstring>

namespace mrt {

static constexpr std::array<uint8_t, 12> v4_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

Address Address::v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port) {
  Address out;
  std::copy(v4_prefix.begin(), v4_prefix.end(), out.ip.begin());
  out.ip[12] = a;
  out.ip[13] = b;
  out.ip[14] = c;
  out.ip[15] = d;
  out.port = port;
  return out;
}

std::optional<Address> Address::parse(std::string_view ip, uint16_t port) {
  const std::string text(ip);  // inet_pton wants a terminator
  if (text.size() != std::strlen(text.c_str())) return std::nullopt;
  uint8_t four[4];
  if (inet_pton(AF_INET, text.c_str(), four) == 1) {
    return v4(four[0], four[1], four[2], four[3], port);
  }
  Address out;
  if (inet_pton(AF_INET6, text.c_str(), out.ip.data()) != 1) return std::nullopt;
  out.port = port;
  return out;
}

std::optional<Address> Address::parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view ip = text.substr(0, colon);
  const std::string_view digits = text.substr(colon + 1);
  const bool bracketed = ip.size() >= 2 && ip.front() == '[' && ip.back() == ']';
  if (bracketed) ip = ip.substr(1, ip.size() - 2);
  if (bracketed != (ip.find(':') != std::string_view::npos)) return std::nullopt;
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return parse(ip, port);
}

bool Address::is_v4() const { return std::equal(v4_prefix.begin(), v4_prefix.end(), ip.begin()); }

bool Address::is_loopback() const {
  if (is_v4()) return ip[12] == 127;
  return ip[15] == 1 && std::all_of(ip.begin(), ip.end() - 1, [](uint8_t b) { return b == 0; });
}

bool Address::is_unspecified() const {
  const auto begin = is_v4() ? ip.begin() + 12 : ip.begin();
  return std::all_of(begin, ip.end(), [](uint8_t b) { return b == 0; });
}

bool Address::is_multicast() const {
  return is_v4() ? ip[12] >= 224 && ip[12] <= 239 : ip[0] == 0xff;
}

bool Address::is_private() const {
  if (is_loopback()) return true;
  if (!is_v4()) return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
  const uint8_t a = ip[12], b = ip[13];
  return a == 10 || (a == 172 && (b & 0xf0) == 16) || (a == 192 && b == 168) ||
         (a == 100 && (b & 0xc0) == 64) || (a == 169 && b == 254);
}

bool Address::is_unicast() const {
  const bool broadcast =
      is_v4() && std::all_of(ip.begin() + 12, ip.end(), [](uint8_t b) { return b == 0xff; });
  return port != 0 && !is_unspecified() && !is_multicast() && !broadcast;
}

std::string Address::to_string() const {
  char text[INET6_ADDRSTRLEN] = {};
  const bool four = is_v4();
  inet_ntop(four ? AF_INET : AF_INET6, four ? ip.data() + 12 : ip.data(), text, sizeof text);
  const std::string host = four ? std::string(text) : '[' + std::string(text) + ']';
  return host + ':' + std::to_string(port);
}

void write_address(Builder& out, const Address& address) {
  const ByteView ip(address.ip);
  out.u8(address.is_v4() ? 4 : 6);
  out.bytes(address.is_v4() ? ip.subspan(12) : ip);
  out.u16(address.port);
}

Address read_address(Reader& in) {
  Address out;
  const uint8_t family = in.u8();
  if (family == 4) {
    const auto four = in.array<4>();
    out = Address::v4(four[0], four[1], four[2], four[3], 0);
  } else if (family == 6) {
    out.ip = in.array<16>();
  } else {
    in.fail();
  }
  out.port = in.u16();
  return in.ok() ? out : Address{};
}

}  // namespace mrt
