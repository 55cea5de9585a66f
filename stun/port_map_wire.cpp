// SPDX-License-Identifier: MIT
#include "stun/port_map_wire.h"

#include <algorithm>

namespace stun {

namespace {

constexpr uint8_t pcp_version = 2;
constexpr uint8_t pcp_map_opcode = 1;
constexpr uint8_t nat_pmp_version = 0;
constexpr uint8_t nat_pmp_map_udp = 1;
constexpr uint8_t answer_bit = 0x80;  // of the opcode, in both
constexpr uint8_t protocol_udp = 17;

// Both are in network byte order.
void put(mrt::Builder& out, uint32_t value, int bytes) {
  while (--bytes >= 0) out.u8(static_cast<uint8_t>(value >> (8 * bytes)));
}
uint32_t take(mrt::Reader& in, int bytes) {
  uint32_t value = 0;
  while (--bytes >= 0) value = value << 8 | in.u8();
  return value;
}
void put_zeros(mrt::Builder& out, int count) {
  while (--count >= 0) out.u8(0);
}
uint16_t take_port(mrt::Reader& in) { return static_cast<uint16_t>(take(in, 2)); }
/// An IPv4 address stands there in mapped form (RFC 6887 section 5), as it does here.
void take_ip(mrt::Reader& in, mrt::Address& out) {
  const mrt::ByteView bytes = in.bytes(out.ip.size());
  std::copy(bytes.begin(), bytes.end(), out.ip.begin());
}

}  // namespace

mrt::Bytes write_pcp_map(const PcpMap& map, const mrt::Address& own) {
  mrt::Builder out;
  out.u8(pcp_version);
  out.u8(pcp_map_opcode);
  put_zeros(out, 2);
  put(out, map.life_seconds, 4);
  out.bytes(own.ip);
  out.bytes(map.nonce);
  out.u8(protocol_udp);
  put_zeros(out, 3);
  put(out, map.internal_port, 2);
  put(out, map.external.port, 2);
  const bool any = map.external.is_unspecified();
  out.bytes(any ? mrt::Address::v4(0, 0, 0, 0, 0).ip : map.external.ip);
  return out.take();
}

std::optional<PcpAnswer> parse_pcp_answer(mrt::ByteView datagram) {
  mrt::Reader in(datagram);
  if (in.u8() != pcp_version || in.u8() != (answer_bit | pcp_map_opcode)) return std::nullopt;
  PcpAnswer out;
  in.u8();
  out.result = in.u8();
  out.map.life_seconds = take(in, 4);
  in.bytes(16);  // the gateway's clock, reserved
  const mrt::ByteView nonce = in.bytes(out.map.nonce.size());
  std::copy(nonce.begin(), nonce.end(), out.map.nonce.begin());
  const bool udp = in.u8() == protocol_udp;
  in.bytes(3);
  out.map.internal_port = take_port(in);
  out.map.external.port = take_port(in);
  take_ip(in, out.map.external);
  // Options may follow.
  if (!in.ok() || !udp) return std::nullopt;
  return out;
}

mrt::Bytes write_nat_pmp_ask_address() { return {nat_pmp_version, 0}; }

mrt::Bytes write_nat_pmp_map(const NatPmpMap& map) {
  mrt::Builder out;
  out.u8(nat_pmp_version);
  out.u8(nat_pmp_map_udp);
  put_zeros(out, 2);
  put(out, map.internal_port, 2);
  put(out, map.external_port, 2);
  put(out, map.life_seconds, 4);
  return out.take();
}

std::optional<NatPmpAnswer> parse_nat_pmp_answer(mrt::ByteView datagram) {
  mrt::Reader in(datagram);
  const bool version_fits = in.u8() == nat_pmp_version;
  const uint8_t opcode = in.u8();
  NatPmpAnswer out;
  out.result = take_port(in);
  in.bytes(4);  // the gateway's clock
  if (!version_fits || (opcode & answer_bit) == 0 || !in.ok()) return std::nullopt;
  // A refusal may be cut short (RFC 6886 section 3.5).
  if (out.result != 0) return out;
  if (opcode == answer_bit) {
    const mrt::ByteView ip = in.bytes(4);
    if (ip.size() == 4) out.external = mrt::Address::v4(ip[0], ip[1], ip[2], ip[3], 0);
  } else if (opcode == (answer_bit | nat_pmp_map_udp)) {
    NatPmpMap map;
    map.internal_port = take_port(in);
    map.external_port = take_port(in);
    map.life_seconds = take(in, 4);
    out.map = map;
  }
  if (!in.done() || (!out.external && !out.map)) return std::nullopt;
  return out;
}

}  // namespace stun
