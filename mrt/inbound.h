// SPDX-License-Identifier: MIT
//
// All that one connection receives on streams: reassembly, our windows, what is given to
// the user and when credit goes back to the peer (RFC 9000 section 4). Knows no packets.
//
// 1. What is buffered never exceeds the connection's window; a peer that sends more is
//    told with flow_control.
// 2. Each message is given once, whole; each byte of an ordered stream once, in order.
// 3. Unfinished messages up to the largest seen are at most messages_open_max (WIRE.md 5.1).
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "mrt/base/interval_set.h"
#include "mrt/recv_stream.h"
#include "mrt/ring.h"
#include "mrt/sender.h"
#include "mrt/stream_table.h"
#include "mrt/types.h"
#include "mrt/wire.h"

namespace mrt {

/// What an endpoint has to tell its user: all connections write into one.
using EventQueue = Ring<Event>;

struct InboundLimits {
  uint64_t connection_window = 0;
  uint64_t stream_window = 0;
  uint64_t messages_open_max = 0;
  uint64_t message_bytes_max = 0;
};

class Inbound {
 public:
  explicit Inbound(const InboundLimits& limits)
      : limits_(limits), max_data_(limits.connection_window) {}

  /// The receiving side of an ordered stream, from now on.
  void open(StreamId id);
  /// What came for a stream that is open, or for a message of the peer. An error closes the
  /// connection. Events are added at the end.
  CloseCode on_data(ConnectionId connection, const DataFrame& frame, EventQueue& events);
  CloseCode on_reset(ConnectionId connection, const ResetStreamFrame& frame, EventQueue& events);
  size_t read(ConnectionId connection, StreamId id, MutableBytes out, EventQueue& events);
  /// The user took a message: its bytes are credit again.
  void on_message_taken(size_t bytes) { consume(bytes); }

  void give_memory_back() {
    for (auto& [id, stream] : streams_) stream.give_memory_back();
  }

  void on_lost(const SentFrame& frame);
  void write_control(Writer& out, std::vector<SentFrame>& records);
  bool anything_to_send() const { return announce_ || !announce_streams_.empty(); }

  bool contains(StreamId id) const { return streams_.contains(id); }
  /// Ordered streams whose receiving side is done since the last call.
  std::vector<StreamId> take_done() { return std::exchange(done_, {}); }
  /// Bytes that the peer sent and the user has not taken: what is held at most.
  uint64_t held_bytes() const { return received_ - consumed_; }
  bool is_consistent() const;

 private:
  struct Stream : RecvStream {
    uint64_t max = 0;        // MAX_STREAM_DATA
    bool announced = false;  // Readable was given and not answered by a read()
    bool ended = false;
  };

  CloseCode on_message_data(ConnectionId connection, const DataFrame& frame, EventQueue& events);
  CloseCode on_stream_data(ConnectionId connection, const DataFrame& frame, EventQueue& events);
  CloseCode count_message(uint64_t index);
  /// The stream's highest offset rises to `end`: within both windows?
  CloseCode extend(FinalSize& final_size, uint64_t end, bool fin, uint64_t stream_max);
  void consume(uint64_t bytes);
  void end_stream(ConnectionId connection, StreamId id, Stream& stream,
                  std::optional<uint64_t> reset_code, EventQueue& events);

  InboundLimits limits_;
  std::map<StreamId, Stream> streams_;
  std::map<uint64_t, RecvMessage> messages_;  // by index
  IntervalSet finished_;                      // indices of messages
  uint64_t messages_seen_ = 0;                // one past the largest index
  uint64_t max_data_;
  uint64_t received_ = 0;  // sum of the highest offsets
  uint64_t consumed_ = 0;
  bool announce_ = false;       // MAX_DATA to send
  StreamIds announce_streams_;  // MAX_STREAM_DATA to send
  std::vector<StreamId> done_;
};

}  // namespace mrt
