// SPDX-License-Identifier: MIT
//
// Short packets and frames as docs/WIRE.md sections 2, 4 and 5 fix them: parse and write.
// Knows no state of a connection; long packets are in mrt/handshake.h.
//
// 1. read_frame() accepts any bytes; what is malformed gives nothing.
// 2. Views in a Frame point into the packet that was read.
#pragma once

#include <optional>
#include <variant>

#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/base/interval_set.h"
#include "mrt/base/time.h"
#include "mrt/types.h"

namespace mrt {

inline constexpr uint8_t wire_version = 1;
/// What every path must carry (RFC 9000 section 14) and a packet has at first.
inline constexpr size_t packet_bytes_initial = 1200;
inline constexpr size_t trailer_bytes = 16;
/// A short packet can always be answered by a RESET, which is shorter (WIRE.md 3.6).
inline constexpr size_t short_packet_bytes_min = 36;
inline constexpr size_t close_reason_bytes_max = 256;
inline constexpr size_t auth_bytes_max = 1024;
inline constexpr size_t datagram_bytes_max = 65'535;
/// In one ACK: enough for 64 separate bursts of loss in flight, in at most 0.5 KB.
inline constexpr size_t ack_ranges_max = 64;
/// An ACK of one range: type, largest, delay, count and first, with the longest numbers.
inline constexpr size_t ack_bytes_least = 1 + 3 * varint_size_max + 1;

enum class PacketForm { short_packet, long_packet, foreign };
PacketForm packet_form(uint8_t first_byte);

// -- Short header --

struct ShortHeader {
  bool key_phase = false;
  uint64_t dcid = 0;
  size_t number_bytes = 1;
  uint32_t number_truncated = 0;
  size_t size() const { return 1 + 8 + number_bytes; }
};

std::optional<ShortHeader> read_short_header(ByteView packet);
void write_short_header(Writer& out, const ShortHeader& header);
/// How many bytes of `number` to send (RFC 9000 A.2); `acked_end` is one past the largest acked.
size_t packet_number_bytes(uint64_t number, uint64_t acked_end);
/// The whole number (RFC 9000 A.3); `received_end` is one past the largest received.
uint64_t expand_packet_number(uint32_t truncated, size_t bytes, uint64_t received_end);

// -- Stream ids (WIRE.md 5.1) --

constexpr bool is_message(StreamId id) { return (id.value & 2) != 0; }
constexpr bool opened_by_initiator(StreamId id) { return (id.value & 1) == 0; }
constexpr uint64_t stream_index(StreamId id) { return id.value >> 2; }
constexpr StreamId make_stream_id(uint64_t index, bool message, bool initiator) {
  return {index << 2 | (message ? 2u : 0u) | (initiator ? 0u : 1u)};
}

// -- Frames (WIRE.md 5) --

struct PaddingFrame {};
struct PingFrame {};
struct AckFrame {
  uint64_t largest = 0;
  Duration delay{};
  uint64_t first = 0;
  size_t count = 0;  // of further ranges
  ByteView encoded;  // those, already checked

  /// Calls visit(Interval) for each range, the largest first.
  template <class Visit>
  void for_each_range(Visit visit) const {
    uint64_t low = largest - first;
    visit(Interval{low, largest + 1});
    Reader in(encoded);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t high = low - in.varint() - 2;
      low = high - in.varint();
      visit(Interval{low, high + 1});
    }
  }
};
struct CloseFrame {
  uint64_t code = 0;
  ByteView reason;
};
struct AuthFrame {
  ByteView bytes;
};
struct MaxDataFrame {
  uint64_t bytes = 0;
};
struct MaxStreamDataFrame {
  StreamId stream;
  uint64_t bytes = 0;
};
struct DataBlockedFrame {
  uint64_t bytes = 0;
};
struct StreamDataBlockedFrame {
  StreamId stream;
  uint64_t bytes = 0;
};
struct ResetStreamFrame {
  StreamId stream;
  uint64_t code = 0;
  uint64_t final_size = 0;
};
struct StopSendingFrame {
  StreamId stream;
  uint64_t code = 0;
};
struct PathChallengeFrame {
  uint64_t value = 0;
};
struct PathResponseFrame {
  uint64_t value = 0;
};
struct MaxStreamsFrame {
  uint64_t count = 0;
};
struct DataFrame {
  StreamId stream;
  uint64_t offset = 0;
  ByteView bytes;
  bool fin = false;
};
struct DatagramFrame {
  ByteView bytes;
};

using Frame = std::variant<PaddingFrame, PingFrame, AckFrame, CloseFrame, AuthFrame, MaxDataFrame,
                           MaxStreamDataFrame, DataBlockedFrame, StreamDataBlockedFrame,
                           ResetStreamFrame, StopSendingFrame, PathChallengeFrame,
                           PathResponseFrame, MaxStreamsFrame, DataFrame, DatagramFrame>;

/// The next frame; nothing where it is malformed (the Reader has then failed).
std::optional<Frame> read_frame(Reader& in);

void write_frame(Writer& out, const PingFrame& frame);
void write_frame(Writer& out, const CloseFrame& frame);
void write_frame(Writer& out, const AuthFrame& frame);
void write_frame(Writer& out, const MaxDataFrame& frame);
void write_frame(Writer& out, const MaxStreamDataFrame& frame);
void write_frame(Writer& out, const DataBlockedFrame& frame);
void write_frame(Writer& out, const StreamDataBlockedFrame& frame);
void write_frame(Writer& out, const ResetStreamFrame& frame);
void write_frame(Writer& out, const StopSendingFrame& frame);
void write_frame(Writer& out, const PathChallengeFrame& frame);
void write_frame(Writer& out, const PathResponseFrame& frame);
void write_frame(Writer& out, const MaxStreamsFrame& frame);
void write_frame(Writer& out, const DatagramFrame& frame);
/// The newest ack_ranges_max ranges of `received`, as many as fit. REQUIRES: not empty, and room
/// for ack_bytes_least.
void write_ack(Writer& out, const IntervalSet& received, Duration delay);

/// The head of a DATA frame; the bytes follow it. Without `sized` they reach to the packet's end.
struct DataHead {
  StreamId stream;
  uint64_t offset = 0;
  size_t bytes = 0;
  bool fin = false;
  bool sized = true;
};
size_t data_head_size(const DataHead& head);
void write_data_head(Writer& out, const DataHead& head);

}  // namespace mrt
