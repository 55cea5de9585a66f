// SPDX-License-Identifier: MIT
#include "mrt/handshake.h"

#include <sodium/crypto_generichash.h>
#include <sodium/utils.h>

#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace mrt {

namespace {

// WIRE.md 3.1 to 3.7. An RCON with all three at their limits fits into 1200 bytes.
constexpr size_t parameters_bytes_max = 512;
constexpr size_t cookie_bytes_max = 64;
constexpr size_t handshake_bytes_max = 512;
constexpr size_t versions_bytes_max = 32;

enum ParameterId : uint64_t {
  id_connection_window = 1,
  id_stream_window = 2,
  id_streams_open_max = 3,
  id_messages_open_max = 4,
  id_message_bytes_max = 5,
  id_idle_timeout = 6,
  id_udp_payload_max = 7,
  id_socket_buffer = 8,
  id_ack_delay_max = 9,
  id_reset_token = 10,
  id_known_end = 11,
};

struct Bounds {
  uint64_t least;
  uint64_t most;
  bool contain(uint64_t value) const { return value >= least && value <= most; }
};
constexpr Bounds window_bounds{0, uint64_t{1} << 40};
constexpr Bounds count_bounds{0, 65'536};
constexpr Bounds idle_ms_bounds{1'000, uint64_t{1} << 32};
constexpr Bounds payload_bounds{packet_bytes_initial, 65'527};
constexpr Bounds socket_buffer_bounds{8'192, varint_max};
constexpr Bounds ack_delay_ms_bounds{0, 1'000};

bool read_parameter(uint64_t id, ByteView bytes, TransportParameters& out) {
  Reader in(bytes);
  if (id == id_reset_token) {
    out.reset_token = in.array<16>();
    return in.done();
  }
  const uint64_t value = in.varint();
  if (!in.done()) return false;
  switch (id) {
    case id_connection_window:
      out.connection_window = value;
      return window_bounds.contain(value);
    case id_stream_window:
      out.stream_window = value;
      return window_bounds.contain(value);
    case id_streams_open_max:
      out.streams_open_max = value;
      return count_bounds.contain(value);
    case id_messages_open_max:
      out.messages_open_max = value;
      return count_bounds.contain(value);
    case id_message_bytes_max:
      out.message_bytes_max = value;
      return window_bounds.contain(value);
    case id_idle_timeout:
      if (!idle_ms_bounds.contain(value)) return false;
      out.idle_timeout = std::chrono::milliseconds(value);
      return true;
    case id_udp_payload_max:
      out.udp_payload_max = value;
      return payload_bounds.contain(value);
    case id_socket_buffer:
      out.socket_buffer = value;
      return socket_buffer_bounds.contain(value);
    default:
      if (!ack_delay_ms_bounds.contain(value)) return false;
      out.ack_delay_max = std::chrono::milliseconds(value);
      return true;
  }
}

void write_varint_parameter(Builder& out, uint64_t id, uint64_t value) {
  out.varint(id);
  out.varint(varint_size(value));
  out.varint(value);
}

void write_header(Writer& out, const LongHeader& header) {
  out.u8(static_cast<uint8_t>(header.type));
  out.u8(header.version);
  out.u64(header.dcid);
  out.u64(header.scid);
}

// A reader behind the header of a packet of that type whose trailer is right.
std::optional<Reader> open_body(ByteView packet, LongType type, LongHeader& header) {
  const auto read = read_long_header(packet);
  if (!read || read->type != type || !open_long(packet)) return std::nullopt;
  header = *read;
  if (packet.size() < long_header_bytes + trailer_bytes) return std::nullopt;
  return Reader(
      packet.subspan(long_header_bytes, packet.size() - long_header_bytes - trailer_bytes));
}

Bytes copy(ByteView view) { return {view.begin(), view.end()}; }

Bytes finish(Bytes packet, size_t size) {
  packet.resize(size);
  seal_long(packet);
  return packet;
}

}  // namespace

void write_parameters(Builder& out, const TransportParameters& p) {
  write_varint_parameter(out, id_connection_window, p.connection_window);
  write_varint_parameter(out, id_stream_window, p.stream_window);
  write_varint_parameter(out, id_streams_open_max, p.streams_open_max);
  write_varint_parameter(out, id_messages_open_max, p.messages_open_max);
  write_varint_parameter(out, id_message_bytes_max, p.message_bytes_max);
  write_varint_parameter(out, id_idle_timeout, static_cast<uint64_t>(to_ms(p.idle_timeout)));
  write_varint_parameter(out, id_udp_payload_max, p.udp_payload_max);
  write_varint_parameter(out, id_socket_buffer, p.socket_buffer);
  write_varint_parameter(out, id_ack_delay_max, static_cast<uint64_t>(to_ms(p.ack_delay_max)));
  if (p.reset_token) {
    out.varint(id_reset_token);
    out.sized_bytes(*p.reset_token);
  }
}

std::optional<TransportParameters> read_parameters(ByteView bytes) {
  TransportParameters out;
  Reader in(bytes);
  uint32_t seen = 0;
  while (in.remaining() > 0) {
    const uint64_t id = in.varint();
    const ByteView value = in.sized_bytes(parameters_bytes_max);
    if (!in.ok()) return std::nullopt;
    if (id == 0 || id >= id_known_end) continue;  // WIRE.md 3.8: unknown ids are ignored
    const uint32_t bit = uint32_t{1} << id;
    if ((seen & bit) != 0 || !read_parameter(id, value, out)) return std::nullopt;
    seen |= bit;
  }
  if (!in.ok() || out.message_bytes_max > out.connection_window) return std::nullopt;
  return out;
}

std::optional<LongHeader> read_long_header(ByteView packet) {
  Reader in(packet);
  const uint8_t type = in.u8();
  if (type < static_cast<uint8_t>(LongType::rcon) || type > static_cast<uint8_t>(LongType::refuse))
    return std::nullopt;
  LongHeader header;
  header.type = static_cast<LongType>(type);
  header.version = in.u8();
  if (header.type == LongType::opening) return header;
  header.dcid = in.u64();
  header.scid = in.u64();
  if (!in.ok()) return std::nullopt;
  return header;
}

std::optional<Rcon> read_rcon(ByteView packet) {
  if (packet.size() < packet_bytes_initial) return std::nullopt;
  LongHeader header;
  auto in = open_body(packet, LongType::rcon, header);
  if (!in || header.scid == 0 || header.dcid != 0) return std::nullopt;
  Rcon rcon;
  rcon.scid = header.scid;
  rcon.id = in->array<16>();
  rcon.suites = in->u8();
  rcon.parameters = copy(in->sized_bytes(parameters_bytes_max));
  rcon.cookie = copy(in->sized_bytes(cookie_bytes_max));
  rcon.handshake = copy(in->sized_bytes(handshake_bytes_max));
  if (!in->ok()) return std::nullopt;
  return rcon;
}

std::optional<Acon> read_acon(ByteView packet) {
  if (packet.size() < packet_bytes_initial) return std::nullopt;
  LongHeader header;
  auto in = open_body(packet, LongType::acon, header);
  if (!in || header.scid == 0) return std::nullopt;
  Acon acon;
  acon.dcid = header.dcid;
  acon.scid = header.scid;
  acon.initiator_id = in->array<16>();
  acon.responder_id = in->array<16>();
  acon.suite = in->u8();
  acon.parameters = copy(in->sized_bytes(parameters_bytes_max));
  acon.handshake = copy(in->sized_bytes(handshake_bytes_max));
  if (!in->ok()) return std::nullopt;
  return acon;
}

std::optional<Cookie> read_cookie(ByteView packet) {
  LongHeader header;
  auto in = open_body(packet, LongType::cookie, header);
  if (!in) return std::nullopt;
  Cookie cookie{header.dcid, in->array<16>(), copy(in->sized_bytes(cookie_bytes_max))};
  if (!in->done() || cookie.cookie.empty()) return std::nullopt;
  return cookie;
}

std::optional<Refuse> read_refuse(ByteView packet) {
  LongHeader header;
  auto in = open_body(packet, LongType::refuse, header);
  if (!in) return std::nullopt;
  Refuse refuse;
  refuse.dcid = header.dcid;
  refuse.id = in->array<16>();
  refuse.code = in->varint();
  refuse.reason = in->sized_text(close_reason_bytes_max);
  if (!in->done()) return std::nullopt;
  return refuse;
}

std::optional<Reset> read_reset(ByteView packet) {
  const auto header = read_long_header(packet);
  if (!header || header->type != LongType::reset || packet.size() != reset_packet_bytes)
    return std::nullopt;
  Reader in(packet.subspan(long_header_bytes));
  return Reset{header->scid, in.array<16>()};
}

std::optional<VersionList> read_version_list(ByteView packet) {
  LongHeader header;
  auto in = open_body(packet, LongType::version, header);
  if (!in || header.version != 0) return std::nullopt;
  VersionList list{header.dcid, copy(in->sized_bytes(versions_bytes_max))};
  if (!in->done()) return std::nullopt;
  return list;
}

Bytes write_packet(const Rcon& rcon) {
  Bytes packet(packet_bytes_initial);
  Writer out(MutableBytes(packet).first(packet.size() - trailer_bytes));
  write_header(out, {LongType::rcon, wire_version, 0, rcon.scid});
  out.bytes(rcon.id);
  out.u8(rcon.suites);
  out.sized_bytes(rcon.parameters);
  out.sized_bytes(rcon.cookie);
  out.sized_bytes(rcon.handshake);
  CHECK(out.ok());
  return finish(std::move(packet), packet_bytes_initial);
}

Bytes write_packet(const Acon& acon) {
  Bytes packet(packet_bytes_initial);
  Writer out(MutableBytes(packet).first(packet.size() - trailer_bytes));
  write_header(out, {LongType::acon, wire_version, acon.dcid, acon.scid});
  out.bytes(acon.initiator_id);
  out.bytes(acon.responder_id);
  out.u8(acon.suite);
  out.sized_bytes(acon.parameters);
  out.sized_bytes(acon.handshake);
  CHECK(out.ok());
  return finish(std::move(packet), packet_bytes_initial);
}

// The short answers share one scratch size: header, id, the longest reason, trailer.
static constexpr size_t answer_bytes_max = 512;

Bytes write_packet(const Cookie& cookie) {
  Bytes packet(answer_bytes_max);
  Writer out(packet);
  write_header(out, {LongType::cookie, wire_version, cookie.dcid, 0});
  out.bytes(cookie.id);
  out.sized_bytes(cookie.cookie);
  return finish(std::move(packet), out.size() + trailer_bytes);
}

Bytes write_packet(const Refuse& refuse) {
  Bytes packet(answer_bytes_max);
  Writer out(packet);
  write_header(out, {LongType::refuse, wire_version, refuse.dcid, 0});
  out.bytes(refuse.id);
  out.varint(refuse.code);
  out.sized_text(std::string_view(refuse.reason).substr(0, close_reason_bytes_max));
  return finish(std::move(packet), out.size() + trailer_bytes);
}

Bytes write_packet(const Reset& reset) {
  Bytes packet(reset_packet_bytes);
  Writer out(packet);
  write_header(out, {LongType::reset, wire_version, 0, reset.scid});
  out.bytes(reset.token);
  return packet;
}

Bytes write_packet(const VersionList& list) {
  Bytes packet(answer_bytes_max);
  Writer out(packet);
  write_header(out, {LongType::version, 0, list.dcid, 0});
  out.sized_bytes(
      ByteView(list.versions).first(std::min(list.versions.size(), versions_bytes_max)));
  return finish(std::move(packet), out.size() + trailer_bytes);
}

Bytes opening_packet() { return {static_cast<uint8_t>(LongType::opening), wire_version}; }

std::array<uint8_t, 16> Secrets::keyed_hash(uint8_t purpose, ByteView bytes) const {
  // One key, told apart by the first byte hashed.
  Builder input;
  input.u8(purpose);
  input.bytes(bytes);
  const Bytes message = input.take();
  std::array<uint8_t, 16> out;
  const int failed = crypto_generichash(out.data(), out.size(), message.data(), message.size(),
                                        key_.data(), key_.size());
  CHECK(failed == 0);
  return out;
}

// WIRE.md 3.3: long enough for a round trip on any path, short enough to be of no use later.
static constexpr Duration cookie_slot = std::chrono::seconds(10);

static uint64_t slot_of(Instant now) {
  return static_cast<uint64_t>(now.time_since_epoch() / cookie_slot);
}

Bytes Secrets::cookie_of(uint64_t slot, const Address& address) const {
  Builder input;
  input.u64(slot);
  input.bytes(address.ip);
  input.u16(address.port);
  const auto hash = keyed_hash(1, input.take());
  return {hash.begin(), hash.end()};
}

Bytes Secrets::cookie(Instant now, const Address& address) const {
  return cookie_of(slot_of(now), address);
}

bool Secrets::cookie_is_right(Instant now, const Address& address, ByteView cookie) const {
  for (const uint64_t slot : {slot_of(now), slot_of(now) - 1}) {
    const Bytes right = cookie_of(slot, address);
    if (cookie.size() == right.size() &&
        sodium_memcmp(cookie.data(), right.data(), right.size()) == 0)
      return true;
  }
  return false;
}

ResetToken Secrets::reset_token(uint64_t connection_id) const {
  Builder input;
  input.u64(connection_id);
  return keyed_hash(2, input.take());
}

}  // namespace mrt
