// SPDX-License-Identifier: MIT
//
// Packets that are out: numbers, acknowledgement, loss, probe time-outs, round-trip time,
// congestion and pacing (RFC 9002). It knows which frames a packet held only as records
// that it hands back when the packet was acknowledged or lost; it sends nothing itself.
//
// 1. A packet number is given out once. Some are left out, to catch optimistic acks.
// 2. Every record of a reliable frame comes back: acked, or lost (and may later come back as acked
// too,
//    where the loss was spurious).
// 3. in_flight_bytes() is the sum over packets that are neither acked nor lost.
#pragma once

#include <memory>
#include <vector>

#include "mrt/base/ids.h"
#include "mrt/base/interval_set.h"
#include "mrt/base/random.h"
#include "mrt/congestion.h"
#include "mrt/pacer.h"
#include "mrt/ring.h"
#include "mrt/rtt.h"
#include "mrt/wire.h"

namespace mrt {

/// What a packet held that matters when it is acknowledged or lost.
struct SentFrame {
  enum class Kind : uint8_t {
    data,  // stream, offset, size, fin
    ack,   // offset: its largest number
    max_data,
    max_stream_data,  // stream
    max_streams,
    reset_stream,  // stream
    auth,          // said in every packet until one of them is acknowledged
  };
  Kind kind = Kind::data;
  bool fin = false;
  uint32_t size = 0;
  StreamId stream{};
  uint64_t offset = 0;
};

struct PacketSent {
  size_t bytes = 0;
  bool ack_eliciting = false;
  bool mtu_probe = false;
};

/// What an ACK or the loss timer brought. Reused: valid until the next call.
struct SendOutcome {
  bool violation = false;  // the peer acknowledged what was never sent
  bool acked_eliciting = false;
  size_t acked_bytes = 0;
  size_t largest_acked_packet = 0;  // bytes of the largest packet acknowledged
  size_t mtu_probe_acked = 0;       // bytes of the largest probe acknowledged
  size_t lost_packets = 0;
  size_t largest_lost_packet = 0;
  size_t smallest_lost_packet = 0;
  std::vector<SentFrame> acked;
  std::vector<SentFrame> lost;
};

class Sender {
 public:
  Sender(const Random::Seed& seed, CongestionControl control, size_t packet_bytes);
  ~Sender();

  /// The number of the next packet: the same until on_sent().
  PacketNumber next_number() const { return {packets_.end_number()}; }
  /// One past the largest number that the peer has acknowledged.
  uint64_t acked_end() const { return acked_end_; }

  void on_sent(Instant now, const PacketSent& packet, const std::vector<SentFrame>& frames);
  /// `delay_max` is what the peer said its acks may be late.
  const SendOutcome& on_ack(Instant now, const AckFrame& ack, Duration delay_max);
  /// The timer at loss_at() is due: losses by time, or a probe is wanted.
  const SendOutcome& on_loss_timer(Instant now);
  /// Another address: what was measured means nothing there (RFC 9000 section 9.4).
  void on_new_path(size_t packet_bytes);
  void on_packet_size(size_t packet_bytes);
  /// The handshake took this long: the first sample.
  void on_handshake_rtt(Duration rtt) { rtt_.on_sample(rtt, Duration{}); }
  /// It was not clear what was answered, but nothing that was sent earlier.
  void on_handshake_guess(Duration longest) { rtt_.on_guess(longest); }

  /// When on_loss_timer() is due; never where nothing is outstanding.
  /// `lossy`: the path loses packets whatever is sent.
  Instant loss_at(Duration delay_max, bool lossy = false) const;
  /// Ack-eliciting packets to send now whatever the window says (RFC 9002 section 6.2.4).
  int probes_wanted() const { return probes_wanted_; }
  /// Frames of the oldest outstanding packets, for probes: worth more than a PING. At the first
  /// time-out of as many as the window, with `room` left, lets go again: the end of a flight may be
  /// lost as a whole.
  const std::vector<SentFrame>& oldest_outstanding(size_t room);

  /// What may be sent now: window less what is on the path, paced. At most `peer_buffer` of that.
  size_t window_room(Instant now, size_t peer_buffer);
  /// When there is more of it though no ack comes; never where only an ack brings it.
  Instant window_at(Instant now) const;
  size_t pacing_credit(Instant now);
  Instant pacing_at() const;

  Duration probe_timeout(Duration delay_max) const { return rtt_.probe_timeout(delay_max); }
  const Rtt& rtt() const { return rtt_; }
  size_t in_flight_bytes() const { return in_flight_; }
  size_t congestion_window() const { return congestion_->window_bytes(); }
  bool anything_outstanding() const { return eliciting_outstanding_ > 0; }
  int probe_backoff() const { return backoff_; }
  /// A peer that acknowledges nothing, but makes us send acks, would have us remember for ever.
  bool remembers_too_much() const { return packets_.size() > remembered_packets_max; }
  size_t remembered_packets() const { return packets_.size(); }
  uint64_t packets_sent() const { return packets_sent_; }
  uint64_t packets_lost() const { return packets_lost_; }
  uint64_t packets_lost_spuriously() const { return packets_lost_spuriously_; }
  /// In a time of silence.
  void give_memory_back();
  bool is_consistent() const;

  /// 78 MB in flight in the smallest packets, 5 MB of memory.
  static constexpr size_t remembered_packets_max = 65'536;

 private:
  enum class State : uint8_t { outstanding, acked, lost, skipped };
  struct Packet {
    Instant sent_at{};
    Instant served_at{};  // when `served` was reached, as the packet was sent
    uint64_t served = 0;
    uint64_t frames_begin = 0;  // in frames_
    uint32_t frame_count = 0;
    uint32_t bytes = 0;
    State state = State::outstanding;
    bool ack_eliciting = false;
    bool mtu_probe = false;
    bool old_path = false;
  };

  void push(Packet packet);
  void skip_number_now_and_then();
  void start_outcome();
  void acknowledge(Instant now, uint64_t number, AckSample& sample);
  void lose(uint64_t number, LossSample& sample);
  void detect_losses(Instant now);
  bool is_persistent(uint64_t first_lost, uint64_t last_lost) const;
  void tolerate_reordering(Instant now, uint64_t number);
  void forget_reordering();
  void settle(uint64_t number);
  void pass_next();
  Instant overdue_at() const;
  void hand_back(const Packet& packet, std::vector<SentFrame>& out);
  void drop_settled(Instant now);

  Random random_;
  Rtt rtt_;
  Pacer pacer_;
  CongestionControl control_;
  std::unique_ptr<Congestion> congestion_;
  size_t packet_bytes_;

  Ring<Packet> packets_;
  Ring<SentFrame> frames_;
  IntervalSet acked_;    // numbers in packets_ that were acknowledged
  IntervalSet settled_;  // those, and lost and skipped ones
  uint64_t acked_end_ = 0;
  uint64_t skip_at_ = 0;
  size_t in_flight_ = 0;
  // Below that number everything has left the path, as far as can be known, and so many bytes of it
  // are neither acknowledged nor lost yet.
  uint64_t passed_end_ = 0;
  size_t passed_bytes_ = 0;
  size_t eliciting_outstanding_ = 0;
  Instant last_eliciting_at_{};
  Instant loss_time_ = never;  // when the oldest unacked packet below acked_end_ is lost
  uint64_t reorder_threshold_;
  int reorder_quarters_ = 0;  // of a round trip, beyond RFC 9002's 9/8
  int recoveries_ = 0;        // since reordering was seen
  Instant reorder_raised_at_{};
  Instant recovered_at_{};
  int backoff_ = 0;
  int probes_wanted_ = 0;

  uint64_t served_ = 0;  // bytes acknowledged or lost so far
  Instant served_at_{};
  Instant first_sample_at_ = never;
  uint64_t packets_sent_ = 0;
  uint64_t packets_lost_ = 0;
  uint64_t packets_lost_spuriously_ = 0;

  SendOutcome outcome_;
  std::vector<SentFrame> oldest_;
};

}  // namespace mrt
