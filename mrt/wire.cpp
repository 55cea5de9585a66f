// SPDX-License-Identifier: MIT
#include "mrt/wire.h"

#include <algorithm>
#include <bit>

#include "mrt/base/check.h"

namespace mrt {

namespace {

enum FrameType : uint8_t {
  type_padding = 0x00,
  type_ping = 0x01,
  type_ack = 0x02,
  type_close = 0x04,
  type_auth = 0x05,
  type_max_data = 0x06,
  type_max_stream_data = 0x07,
  type_data_blocked = 0x08,
  type_stream_data_blocked = 0x09,
  type_reset_stream = 0x0b,
  type_stop_sending = 0x0c,
  type_path_challenge = 0x0d,
  type_path_response = 0x0e,
  type_max_streams = 0x0f,
  type_data = 0x10,
  type_datagram = 0x18,
};

constexpr uint8_t data_fin = 1;
constexpr uint8_t data_length = 2;
constexpr uint8_t data_offset = 4;

AckFrame read_ack(Reader& in) {
  AckFrame ack;
  ack.largest = in.varint();
  // A delay beyond an hour is no delay; capped so that it cannot overflow a Duration.
  constexpr uint64_t delay_us_max = 3'600'000'000;
  ack.delay = std::chrono::microseconds(std::min(in.varint(), delay_us_max));
  const uint64_t count = in.varint();
  ack.first = in.varint();
  if (count >= ack_ranges_max || ack.first > ack.largest) {
    in.fail();
    return ack;
  }
  ack.count = static_cast<size_t>(count);
  Reader ranges = in;
  uint64_t low = ack.largest - ack.first;
  for (size_t i = 0; i < ack.count && ranges.ok(); ++i) {
    const uint64_t gap = ranges.varint();
    const uint64_t length = ranges.varint();
    // RFC 9000 section 19.3.1: "If any computed packet number is negative, an endpoint
    // MUST generate a connection error of type FRAME_ENCODING_ERROR."
    if (gap + 2 > low || length > low - gap - 2) ranges.fail();
    low -= gap + 2 + length;
  }
  if (!ranges.ok()) in.fail();
  ack.encoded = in.bytes(in.remaining() - ranges.remaining());
  return ack;
}

DataFrame read_data(Reader& in, uint8_t type) {
  DataFrame frame;
  frame.stream = {in.varint()};
  frame.offset = (type & data_offset) != 0 ? in.varint() : 0;
  frame.bytes = (type & data_length) != 0 ? in.sized_bytes(in.remaining()) : in.rest();
  frame.fin = (type & data_fin) != 0;
  // RFC 9000 section 19.8: the sum of offset and length cannot exceed 2^62 - 1.
  if (frame.offset + frame.bytes.size() > varint_max) in.fail();
  return frame;
}

StreamId read_stream_id(Reader& in) { return {in.varint()}; }

std::optional<Frame> read_control(Reader& in, uint8_t type) {
  switch (type) {
    case type_close: {
      const uint64_t code = in.varint();
      return CloseFrame{code, in.sized_bytes(close_reason_bytes_max)};
    }
    case type_auth:
      return AuthFrame{in.sized_bytes(auth_bytes_max)};
    case type_max_data:
      return MaxDataFrame{in.varint()};
    case type_max_stream_data: {
      const StreamId stream = read_stream_id(in);
      return MaxStreamDataFrame{stream, in.varint()};
    }
    case type_data_blocked:
      return DataBlockedFrame{in.varint()};
    case type_stream_data_blocked: {
      const StreamId stream = read_stream_id(in);
      return StreamDataBlockedFrame{stream, in.varint()};
    }
    case type_reset_stream: {
      const StreamId stream = read_stream_id(in);
      const uint64_t code = in.varint();
      return ResetStreamFrame{stream, code, in.varint()};
    }
    case type_stop_sending: {
      const StreamId stream = read_stream_id(in);
      return StopSendingFrame{stream, in.varint()};
    }
    case type_path_challenge:
      return PathChallengeFrame{in.u64()};
    case type_path_response:
      return PathResponseFrame{in.u64()};
    case type_max_streams:
      return MaxStreamsFrame{in.varint()};
    case type_datagram:
      return DatagramFrame{in.sized_bytes(datagram_bytes_max)};
    default:
      in.fail();
      return std::nullopt;
  }
}

void write_head(Writer& out, FrameType type, uint64_t first) {
  out.u8(type);
  out.varint(first);
}

}  // namespace

PacketForm packet_form(uint8_t first_byte) {
  switch (first_byte >> 6) {
    case 1:
      return PacketForm::short_packet;
    case 3:
      return PacketForm::long_packet;
    default:
      return PacketForm::foreign;
  }
}

std::optional<ShortHeader> read_short_header(ByteView packet) {
  Reader in(packet);
  const uint8_t first = in.u8();
  constexpr uint8_t fixed_mask = 0b1101'1100;
  constexpr uint8_t fixed_bits = 0b0100'0000;
  if ((first & fixed_mask) != fixed_bits || packet.size() < short_packet_bytes_min) return {};
  ShortHeader header;
  header.key_phase = (first & 0x20) != 0;
  header.number_bytes = (first & 3u) + 1;
  header.dcid = in.u64();
  for (size_t i = 0; i < header.number_bytes; ++i)
    header.number_truncated |= uint32_t{in.u8()} << (8 * i);
  return header;
}

void write_short_header(Writer& out, const ShortHeader& header) {
  out.u8(static_cast<uint8_t>(0x40 | (header.key_phase ? 0x20 : 0) | (header.number_bytes - 1)));
  out.u64(header.dcid);
  for (size_t i = 0; i < header.number_bytes; ++i)
    out.u8(static_cast<uint8_t>(header.number_truncated >> (8 * i)));
}

// RFC 9000 A.2: the encoding must be able to represent more than twice as many numbers as
// lie between the largest acknowledged and the one sent.
size_t packet_number_bytes(uint64_t number, uint64_t acked_end) {
  CHECK(number >= acked_end);
  const uint64_t unacked = number - acked_end + 1;
  const size_t bits = static_cast<size_t>(std::bit_width(unacked)) + 1;
  return std::clamp<size_t>((bits + 7) / 8, 1, 4);
}

// RFC 9000 A.3.
uint64_t expand_packet_number(uint32_t truncated, size_t bytes, uint64_t received_end) {
  const uint64_t window = uint64_t{1} << (8 * bytes);
  const uint64_t candidate = (received_end & ~(window - 1)) | truncated;
  if (candidate + window / 2 <= received_end && candidate < varint_max - window)
    return candidate + window;
  if (candidate > received_end + window / 2 && candidate >= window) return candidate - window;
  return candidate;
}

std::optional<Frame> read_frame(Reader& in) {
  const uint8_t type = in.u8();
  std::optional<Frame> frame;
  if (type >= type_data && type < type_data + 8) {
    frame.emplace(read_data(in, type));
  } else if (type == type_ack) {
    frame.emplace(read_ack(in));
  } else if (type == type_padding) {
    while (in.peek() == uint8_t{0}) in.u8();
    frame.emplace(PaddingFrame{});
  } else if (type == type_ping) {
    frame.emplace(PingFrame{});
  } else {
    frame = read_control(in, type);
  }
  if (!in.ok()) frame.reset();
  return frame;
}

void write_frame(Writer& out, const PingFrame&) { out.u8(type_ping); }

void write_frame(Writer& out, const CloseFrame& frame) {
  write_head(out, type_close, frame.code);
  out.sized_bytes(frame.reason);
}

void write_frame(Writer& out, const AuthFrame& frame) {
  out.u8(type_auth);
  out.sized_bytes(frame.bytes);
}

void write_frame(Writer& out, const MaxDataFrame& frame) {
  write_head(out, type_max_data, frame.bytes);
}

void write_frame(Writer& out, const MaxStreamDataFrame& frame) {
  write_head(out, type_max_stream_data, frame.stream.value);
  out.varint(frame.bytes);
}

void write_frame(Writer& out, const DataBlockedFrame& frame) {
  write_head(out, type_data_blocked, frame.bytes);
}

void write_frame(Writer& out, const StreamDataBlockedFrame& frame) {
  write_head(out, type_stream_data_blocked, frame.stream.value);
  out.varint(frame.bytes);
}

void write_frame(Writer& out, const ResetStreamFrame& frame) {
  write_head(out, type_reset_stream, frame.stream.value);
  out.varint(frame.code);
  out.varint(frame.final_size);
}

void write_frame(Writer& out, const StopSendingFrame& frame) {
  write_head(out, type_stop_sending, frame.stream.value);
  out.varint(frame.code);
}

void write_frame(Writer& out, const PathChallengeFrame& frame) {
  out.u8(type_path_challenge);
  out.u64(frame.value);
}

void write_frame(Writer& out, const PathResponseFrame& frame) {
  out.u8(type_path_response);
  out.u64(frame.value);
}

void write_frame(Writer& out, const MaxStreamsFrame& frame) {
  write_head(out, type_max_streams, frame.count);
}

void write_frame(Writer& out, const DatagramFrame& frame) {
  out.u8(type_datagram);
  out.sized_bytes(frame.bytes);
}

void write_ack(Writer& out, const IntervalSet& received, Duration delay) {
  CHECK(!received.empty());
  const auto& ranges = received.intervals();
  const Interval newest = ranges.back();
  constexpr size_t range_bytes_max = 2 * varint_size_max;
  const size_t room = out.remaining();
  const size_t fitting = room < ack_bytes_least ? 0 : (room - ack_bytes_least) / range_bytes_max;
  const size_t further = std::min({ranges.size() - 1, ack_ranges_max - 1, fitting});
  write_head(out, type_ack, newest.end - 1);
  out.varint(static_cast<uint64_t>(std::max<int64_t>(to_us(delay), 0)));
  out.varint(further);
  out.varint(newest.size() - 1);
  uint64_t low = newest.begin;
  for (size_t i = 0; i < further; ++i) {
    const Interval& range = ranges[ranges.size() - 2 - i];
    out.varint(low - range.end - 1);
    out.varint(range.size() - 1);
    low = range.begin;
  }
}

size_t data_head_size(const DataHead& head) {
  return 1 + varint_size(head.stream.value) + (head.offset > 0 ? varint_size(head.offset) : 0) +
         (head.sized ? varint_size(head.bytes) : 0);
}

void write_data_head(Writer& out, const DataHead& head) {
  out.u8(static_cast<uint8_t>(type_data | (head.offset > 0 ? data_offset : 0) |
                              (head.sized ? data_length : 0) | (head.fin ? data_fin : 0)));
  out.varint(head.stream.value);
  if (head.offset > 0) out.varint(head.offset);
  if (head.sized) out.varint(head.bytes);
}

}  // namespace mrt
