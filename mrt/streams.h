// SPDX-License-Identifier: MIT
//
// The streams of one connection: which are open, who may open more, and the two directions
// put together. Knows frames, no packets.
//
// 1. A stream id is used once. Ordered streams that are done both ways are forgotten but
//    for their number; the peer may then open another (MAX_STREAMS).
// 2. A frame for a stream that cannot be gives a close code; one for a stream that is done,
// nothing.
#pragma once

#include <optional>

#include "mrt/handshake.h"
#include "mrt/inbound.h"
#include "mrt/outbound.h"

namespace mrt {

class Streams {
 public:
  Streams(ConnectionId connection, bool initiator, const EndpointConfig& config,
          const TransportParameters& ours, const TransportParameters& theirs);

  // Commands.
  std::optional<StreamId> open(Priority priority);
  size_t write(StreamId id, ByteView bytes);
  void finish(StreamId id);
  void reset(StreamId id, uint64_t code);
  void set_priority(StreamId id, Priority priority);
  size_t read(StreamId id, MutableBytes out, EventQueue& events);
  bool send_message(Priority priority, SharedBytes bytes);
  void give_memory_back() {
    inbound_.give_memory_back();
    outbound_.give_memory_back();
  }
  void on_message_taken(size_t bytes) { inbound_.on_message_taken(bytes); }

  // Frames of the peer.
  CloseCode on_frame(const DataFrame& frame, EventQueue& events);
  CloseCode on_frame(const ResetStreamFrame& frame, EventQueue& events);
  CloseCode on_frame(const StopSendingFrame& frame);
  CloseCode on_frame(const MaxStreamDataFrame& frame);
  CloseCode on_frame(const StreamDataBlockedFrame& frame);
  CloseCode on_frame(const MaxStreamsFrame& frame);
  void on_frame(const MaxDataFrame& frame) { outbound_.on_max_data(frame.bytes); }

  // What became of frames that were sent.
  void on_acked(const SentFrame& frame);
  void on_lost(const SentFrame& frame);

  void write_control(Writer& out, std::vector<SentFrame>& records);
  size_t write_data(const PacketTurn& turn, Writer& out, std::vector<SentFrame>& records) {
    return outbound_.write_data(turn, out, records);
  }
  bool anything_to_send() const;
  /// Gives Writable where it is due.
  void announce(EventQueue& events);

  const Outbound& outbound() const { return outbound_; }
  const Inbound& inbound() const { return inbound_; }
  bool is_consistent() const;

 private:
  enum class Standing { open, done, impossible };

  bool is_ours(StreamId id) const { return opened_by_initiator(id) == initiator_; }
  /// Opens an ordered stream where the peer's frame, or a write to first_stream, does so.
  Standing stand(StreamId id);
  void open_both_ways(StreamId id, Priority priority);
  /// Streams whose second direction has ended are forgotten.
  void forget_done();

  ConnectionId connection_;
  bool initiator_;
  uint64_t peer_stream_window_;
  uint64_t streams_open_max_;
  Outbound outbound_;
  Inbound inbound_;

  uint64_t next_stream_ = 0;     // index of the next one of ours
  uint64_t max_streams_theirs_;  // how many we may open
  uint64_t max_streams_ours_;    // how many the peer may open, as announced
  IntervalSet finished_ours_;    // indices
  IntervalSet finished_theirs_;
  IntervalSet opened_theirs_;
  bool announce_streams_ = false;  // MAX_STREAMS to send
};

}  // namespace mrt
