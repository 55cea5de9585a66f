// SPDX-License-Identifier: MIT
//
// The default congestion controller: it models the path by its least round trip and keeps a few
// packets of its own in the bottleneck's queue, no more (the law of TCP Vegas and FAST TCP: Wei
// et al., "FAST TCP", IEEE/ACM ToN 2006, on the least delay of each round trip). Random loss says
// nothing about that, so it keeps its rate where one packet in five is lost.
//
//   startup --delay rises, or the rate no more--> steady <--drain--> compete
//
// Five rules make that law fit to live among others:
// 1. Once in a while the own share of the queue is drained, to see the least round trip anew.
// 2. Where the queue stays long through a drain, others fill it: then it competes as Cubic, and
//    takes losses at raised delay for congestion; a drain that empties the queue ends that.
// 3. A window that grows and brings only losses is taken back: where there is hardly a queue,
//    delay does not tell.
// 4. A constant part of what is kept queued makes flows that share a path equal.
// 5. What moves single packets about is taken off the delay: a radio's jitter is no queue.
#pragma once

#include "mrt/cubic.h"

namespace mrt {

class DelayModel final : public Congestion {
 public:
  explicit DelayModel(size_t packet_bytes);

  void on_acked(const AckSample& sample, const Rtt& rtt) override;
  void on_lost(const LossSample& sample, const Rtt& rtt) override;
  void on_lost_spuriously(Instant sent_at) override;
  void on_packet_size(size_t packet_bytes) override;
  size_t window_bytes() const override;
  size_t unheard_bytes_max() const override;
  double pacing_bytes_per_second(const Rtt& rtt) const override;

 private:
  enum class Mode : uint8_t { startup, steady, compete };

  /// What the packets of one round trip told.
  struct Round {
    Instant started = Instant::min();
    Duration most{};
    int samples = 0;
    double acked = 0;
    double lost = 0;
    bool used = false;  // the window was what held us back
  };

  /// Of one or several rounds, in bytes a second.
  struct Rates {
    double acked = 0;
    double lost = 0;
    double lost_share() const { return lost > 0 ? lost / (acked + lost) : 0; }
  };

  void on_round_end(Instant now);
  void on_few(const AckSample& sample);
  void leave_startup(Instant now, double rate);
  void steer(Instant now, Duration delay, const Rates& rates);
  void refer(const Rates& rates);
  bool pays(Instant now, const Rates& rates);
  void grow(double wanted);
  void look_around(Instant now, Duration delay);
  void start_drain(Instant now, bool asks, Mode then);
  void finish_drain(Instant now, Duration delay);
  void compete(Instant now);
  void on_base(Instant now, Duration rtt);
  void on_jitter(Duration rtt);
  /// How much of the delay that a few samples share is a queue.
  Duration without_jitter(Duration delay) const;
  Duration base() const { return std::min(base_, base_before_); }
  bool base_fell() const;
  bool queue_grows() const;
  double window_min() const;
  double gain_in_startup() const;
  Duration grain() const;
  Duration long_queue() const;
  Duration kept_queue() const;

  double packet_;
  double window_;
  Mode mode_ = Mode::startup;
  Cubic cubic_;
  Round round_;

  // The least round trip, of this period and the one before.
  Duration base_ = Duration::max();
  Duration base_before_ = Duration::max();
  Instant base_since_ = Instant::min();

  double service_rate_ = 0;  // bytes a second in the last round that used the window
  int long_rounds_ = 0;      // whose queue was long
  // The largest window of this period and the one before, without competing.
  double share_ = 0;
  double share_before_ = 0;
  Instant share_since_ = Instant::min();
  int short_rounds_ = 0;   // competing, without a queue
  int settle_rounds_ = 0;  // until a leap of the window shows

  // What the last few samples told, and those before.
  Duration few_least_ = Duration::max();
  Duration few_before_ = Duration::max();
  Instant few_since_{};
  double few_bytes_ = 0;
  int few_samples_ = 0;
  Duration rtt_before_{};
  Duration jitter_{};

  // Startup.
  double best_rate_ = 0;  // acknowledged bytes a second
  int flat_rounds_ = 0;   // that brought no more

  // Rule 3.
  struct Reference {
    double window = 0;  // 0: not known
    Rates rates;
  };
  struct Trial {
    Rates rates;
    int rounds = 0;
  };
  Reference reference_;
  Trial trial_;
  int calm_rounds_ = 0;  // without a queue
  double leap_;          // the next one's factor
  Instant held_until_ = Instant::min();

  // Rules 1 and 2.
  int drain_rounds_ = 0;  // to go
  bool drain_asks_ = false;
  Duration base_before_drain_{};  // the last one, or at the end of startup
  double drained_window_ = 0;     // before the drain
  Instant drained_at_ = Instant::min();
  Duration longest_queue_{};  // of late, while competing
};

}  // namespace mrt
