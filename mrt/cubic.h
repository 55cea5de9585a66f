// SPDX-License-Identifier: MIT
//
// CUBIC (RFC 9438) in bytes, with the recovery period and minimum window of RFC 9002 section 7,
// HyStart++ (RFC 9406) to leave slow start before the queue overflows, and undoing a reduction
// that reordering caused (RFC 9438 section 4.9).
#pragma once

#include <limits>

#include "mrt/congestion.h"

namespace mrt {

class Cubic final : public Congestion {
 public:
  explicit Cubic(size_t packet_bytes);

  void on_acked(const AckSample& sample, const Rtt& rtt) override;
  void on_lost(const LossSample& sample, const Rtt& rtt) override;
  void on_lost_spuriously(Instant sent_at) override;
  void on_packet_size(size_t packet_bytes) override;
  size_t window_bytes() const override { return static_cast<size_t>(window_); }
  double pacing_bytes_per_second(const Rtt& rtt) const override;

  /// Anew, from that window, in slow start until the first loss: the queue of a path that is shared
  /// is long already, and its delay tells nothing.
  void start(double window);

 private:
  bool in_slow_start() const { return window_ < threshold_; }
  double window_min() const;
  void watch_delay(const AckSample& sample);
  void grow_cubic(const AckSample& sample, const Rtt& rtt);
  void start_epoch(Instant now);

  double packet_;
  double window_;
  double threshold_ = std::numeric_limits<double>::infinity();
  Instant recovery_started_ = Instant::min();

  // RFC 9438 section 4.1.2; the epoch starts with the first growth after a reduction.
  bool epoch_running_ = false;
  Instant epoch_started_{};
  double window_max_ = 0;
  double window_reno_ = 0;
  double seconds_to_max_ = 0;  // K

  // Before the last reduction, in case it was for nothing.
  double undo_window_ = 0;
  double undo_threshold_ = 0;
  double undo_window_max_ = 0;

  // RFC 9406: the least delay of this round and of the one before, and where the delay stood when
  // conservative slow start began.
  Instant round_started_ = Instant::min();
  Duration round_least_ = Duration::max();
  Duration last_round_least_ = Duration::max();
  Duration baseline_ = Duration::max();
  int round_samples_ = 0;
  int conservative_rounds_ = 0;  // 0: plain slow start
  bool watches_delay_ = true;
};

}  // namespace mrt
