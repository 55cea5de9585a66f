// SPDX-License-Identifier: MIT
//
// All that one connection has to send on streams: whose bytes go next into a packet,
// within the peer's windows. Knows no packet numbers and no acks but what is told.
//
// 1. A level of priority is served before the next. Within one: what was lost first, then
//    ordered streams in turn and messages one after the other.
// 2. The sum over streams of what is sent never exceeds the peer's MAX_DATA. A message
//    takes its whole size at its first byte, so a message begun can be finished.
// 3. queued_bytes() is what is written and not acknowledged, at most the send buffer and, where
//    it is interactive, urgent_bytes_kept more.
// 4. The last urgent_bytes_kept of the peer's MAX_DATA are for interactive ones only.
#pragma once

#include <array>
#include <vector>

#include "mrt/repetition.h"
#include "mrt/ring.h"
#include "mrt/send_stream.h"
#include "mrt/sender.h"
#include "mrt/stream_table.h"
#include "mrt/types.h"
#include "mrt/wire.h"

namespace mrt {

struct OutboundLimits {
  uint64_t connection_window = 0;  // the peer's, at first
  uint64_t messages_open_max = 0;  // the lesser of both sides'
  uint64_t message_bytes_max = 0;
  uint64_t send_buffer_bytes = 0;  // ours
};

/// What may go into a packet.
struct PacketTurn {
  Instant now{};
  bool urgent_only = false;   // less than interactive waits: for the window, or the pacer
  bool remembers = false;     // small interactive pieces may have to be repeated
  size_t copy_bytes_max = 0;  // of pieces repeated, no more
  Duration copy_gap{};
};

class Outbound {
 public:
  Outbound(bool initiator, const OutboundLimits& limits);

  // Commands. `limit` is the peer's window for an ordered stream.
  void open(StreamId id, Priority priority, uint64_t limit);
  size_t write(StreamId id, ByteView bytes);
  void finish(StreamId id);
  void reset(StreamId id, uint64_t code);
  void set_priority(StreamId id, Priority priority);
  bool send_message(Priority priority, SharedBytes bytes);
  bool message_fits(size_t bytes) const { return bytes <= limits_.message_bytes_max; }

  // What the peer said.
  void on_max_data(uint64_t bytes);
  void on_max_stream_data(StreamId id, uint64_t bytes);
  void on_acked(const SentFrame& frame);
  void on_lost(const SentFrame& frame);
  /// Sent in a packet that may be lost: send it once more, without believing it lost.
  void send_again(const SentFrame& frame) { on_lost(frame); }

  /// Control and DATA frames into the rest of a packet; records of them.
  void write_control(Writer& out, std::vector<SentFrame>& records);
  /// How many bytes of it are copies of what was sent before.
  size_t write_data(const PacketTurn& turn, Writer& out, std::vector<SentFrame>& records);
  bool anything_to_send() const;
  /// The same of interactive streams and messages alone.
  bool anything_urgent() const;
  const Repetition& repetition() const { return repetition_; }
  void give_memory_back();
  /// Nothing written waits for an acknowledgement, no FIN either.
  bool all_acked() const;

  bool contains(StreamId id) const { return streams_.contains(id); }
  bool has_opened_message(StreamId id) const { return stream_index(id) < streams_.next_message(); }
  uint64_t queued_bytes() const { return queued_; }
  uint64_t retransmitted_bytes() const { return retransmitted_; }
  size_t room() const { return room(Priority::normal); }
  /// True once when a write or message that was refused may be tried again.
  bool take_writable();
  /// Ordered streams whose sending side is done since the last call.
  std::vector<StreamId> take_done();
  bool is_consistent() const;

 private:
  struct Stream : SendStream {
    using SendStream::SendStream;
    Stream() : SendStream(Priority::normal, 0) {}
    bool queued_lost = false;
    bool queued_fresh = false;
    bool counted = false;  // a message whose size is in data_sent_
    bool ended = false;    // reported by take_done()
  };
  using Queue = Ring<StreamId>;

  Stream* find(StreamId id);
  void enqueue(StreamId id, Stream& stream);
  void settle(StreamId id, Stream& stream);
  void forget_copies(StreamId id);
  size_t room(Priority priority) const;
  bool level_has_fresh(size_t level) const;
  /// Whose first bytes have gone. REQUIRES: something is queued there.
  bool has_begun_message(size_t level) const;
  bool write_piece(const PacketTurn& turn, Writer& out, StreamId id, Stream& stream, bool lost,
                   std::vector<SentFrame>& records);
  void write_lost(const PacketTurn& turn, Writer& out, size_t level,
                  std::vector<SentFrame>& records);
  bool write_fresh(const PacketTurn& turn, Writer& out, size_t level, bool only_begun,
                   std::vector<SentFrame>& records);
  size_t write_copies(const PacketTurn& turn, Writer& out, std::vector<SentFrame>& records);
  /// How many fresh bytes the connection's window allows for this stream now.
  uint64_t allowance(StreamId id, const Stream& stream) const;
  /// The limit that stops us has not been told, nor one that is hardly less.
  bool blocked_is_news() const;

  bool initiator_;
  OutboundLimits limits_;
  StreamTable<Stream> streams_;
  std::array<Queue, priority_count> lost_;
  std::array<Queue, priority_count> fresh_;
  StreamIds resets_;                    // RESET_STREAM to send
  StreamIds blocked_streams_;           // STREAM_DATA_BLOCKED to send
  bool blocked_ = false;                // DATA_BLOCKED to send
  uint64_t blocked_said_ = UINT64_MAX;  // the limit it was sent for
  std::vector<StreamId> done_;
  uint64_t messages_open_ = 0;
  uint64_t max_data_;
  uint64_t data_sent_ = 0;
  uint64_t queued_ = 0;
  uint64_t retransmitted_ = 0;
  Repetition repetition_;
  bool refused_ = false;
};

}  // namespace mrt
