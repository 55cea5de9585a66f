// SPDX-License-Identifier: MIT
//
// CUBIC (RFC 9438) in bytes, with the slow start, recovery period and minimum window of
// RFC 9002 section 7, leaving slow start early when the delay rises (RFC 9406), and undoing a
// reduction that reordering caused (RFC 9438 section 4.9).
#include <algorithm>
#include <cmath>
#include <limits>

#include "mrt/congestion.h"

namespace mrt {

namespace {

constexpr double c = 0.4;     // RFC 9438 section 5: "C SHOULD be set to 0.4"
constexpr double beta = 0.7;  // RFC 9438 section 4.6
// RFC 9438 section 4.3: the increase that makes it as fast as Reno would be.
constexpr double alpha = 3 * (1 - beta) / (1 + beta);
// RFC 9002 section 7.2 says 2; with 4 a single loss is still found by its followers.
constexpr double window_packets_min = 4;
constexpr double window_packets_initial = 10;  // RFC 9002 section 7.2
constexpr double window_bytes_initial_max = 14'720;
// Nothing in RFC 9438 bounds it; this is 10 Gb/s at 0.8 s and keeps sums far from overflow.
constexpr double window_bytes_limit = 1e9;
// RFC 9406 section 4.3.
constexpr int rtt_samples_min = 8;
constexpr Duration rtt_threshold_min = std::chrono::milliseconds(4);
constexpr Duration rtt_threshold_max = std::chrono::milliseconds(16);

class Cubic final : public Congestion {
 public:
  explicit Cubic(size_t packet_bytes)
      : packet_(static_cast<double>(packet_bytes)),
        window_(std::min(window_packets_initial * packet_,
                         std::max(2 * packet_, window_bytes_initial_max))) {}

  void on_sent(Instant, size_t, size_t) override {}
  void on_acked(const AckSample& sample, const Rtt& rtt) override;
  void on_lost(const LossSample& sample, const Rtt& rtt) override;
  void on_lost_spuriously(Instant sent_at) override;
  void on_packet_size(size_t packet_bytes) override;

  size_t window_bytes() const override { return static_cast<size_t>(window_); }

  // RFC 9002 section 7.7: rate = N * congestion_window / smoothed_rtt; N doubles the window
  // within a round trip in slow start and is a little above 1 later.
  double pacing_bytes_per_second(const Rtt& rtt) const override {
    constexpr double gain_slow_start = 2;
    constexpr double gain_later = 1.25;
    const double gain = in_slow_start() ? gain_slow_start : gain_later;
    constexpr Duration least = std::chrono::microseconds(10);
    return gain * window_ / to_seconds(std::max(rtt.smoothed(), least));
  }

 private:
  bool in_slow_start() const { return window_ < threshold_; }
  double window_min() const { return window_packets_min * packet_; }
  void leave_slow_start_if_delayed(const AckSample& sample, const Rtt& rtt);
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

  // RFC 9406: the least delay of this round and of the one before.
  Instant round_started_ = Instant::min();
  Duration round_least_ = Duration::max();
  Duration last_round_least_ = Duration::max();
  int round_samples_ = 0;
};

void Cubic::on_acked(const AckSample& sample, const Rtt& rtt) {
  // RFC 9002 section 7.3.2: no growth for packets sent before the recovery period began.
  if (sample.sent_at <= recovery_started_) return;
  // RFC 9002 section 7.8: a window that is not used is not grown.
  if (static_cast<double>(sample.in_flight_before) < window_ / 2) return;
  if (in_slow_start()) {
    window_ += static_cast<double>(sample.bytes);
    leave_slow_start_if_delayed(sample, rtt);
  } else {
    grow_cubic(sample, rtt);
  }
  window_ = std::min(window_, window_bytes_limit);
}

void Cubic::leave_slow_start_if_delayed(const AckSample& sample, const Rtt& rtt) {
  if (sample.sent_at >= round_started_) {
    round_started_ = sample.now;
    last_round_least_ = round_least_;
    round_least_ = Duration::max();
    round_samples_ = 0;
  }
  round_least_ = std::min(round_least_, rtt.latest());
  ++round_samples_;
  if (round_samples_ < rtt_samples_min || last_round_least_ == Duration::max()) return;
  // RFC 9406 section 4.2: RttThresh = max(MIN_RTT_THRESH, min(lastRoundMinRTT / 8,
  // MAX_RTT_THRESH)).
  const Duration rise =
      std::max(rtt_threshold_min, std::min<Duration>(last_round_least_ / 8, rtt_threshold_max));
  if (round_least_ >= last_round_least_ + rise) threshold_ = window_;
}

void Cubic::start_epoch(Instant now) {
  epoch_running_ = true;
  epoch_started_ = now;
  window_reno_ = window_;
  window_max_ = std::max(window_max_, window_);
  seconds_to_max_ = std::cbrt((window_max_ - window_) / packet_ / c);
}

void Cubic::grow_cubic(const AckSample& sample, const Rtt& rtt) {
  if (!epoch_running_) start_epoch(sample.now);
  const double bytes = static_cast<double>(sample.bytes);
  const double t = to_seconds(sample.now - epoch_started_ + rtt.smoothed());
  const double distance = t - seconds_to_max_;
  const double wanted = c * distance * distance * distance * packet_ + window_max_;
  // RFC 9438 section 4.2: "The target is bounded to 1.5 * cwnd".
  const double target = std::clamp(wanted, window_, 1.5 * window_);
  window_reno_ += (window_reno_ < window_max_ ? alpha : 1.0) * bytes / window_ * packet_;
  window_ += (target - window_) * bytes / window_;
  window_ = std::max(window_, std::min(window_reno_, window_ + bytes));
}

void Cubic::on_lost(const LossSample& sample, const Rtt&) {
  if (sample.persistent) {
    // RFC 9002 section 7.6.2: "the sender's congestion window MUST be reduced to the
    // minimum congestion window".
    window_ = window_min();
    threshold_ = std::max(window_min(), threshold_ * beta);
    epoch_running_ = false;
    return;
  }
  // RFC 9002 section 7.3.2: one reduction per round trip.
  if (sample.newest_sent_at <= recovery_started_) return;
  undo_window_ = window_;
  undo_threshold_ = threshold_;
  undo_window_max_ = window_max_;
  recovery_started_ = sample.now;
  // RFC 9438 section 4.7, fast convergence: give way where the last maximum was not reached.
  window_max_ = window_ < window_max_ ? window_ * (1 + beta) / 2 : window_;
  window_ = std::max(window_ * beta, window_min());
  threshold_ = window_;
  epoch_running_ = false;
}

void Cubic::on_lost_spuriously(Instant sent_at) {
  if (sent_at > recovery_started_ || undo_window_ <= window_) return;
  window_ = undo_window_;
  threshold_ = undo_threshold_;
  window_max_ = undo_window_max_;
  undo_window_ = 0;
  epoch_running_ = false;
}

void Cubic::on_packet_size(size_t packet_bytes) {
  packet_ = static_cast<double>(packet_bytes);
  window_ = std::max(window_, window_min());
  threshold_ = std::max(threshold_, window_min());
}

}  // namespace

std::unique_ptr<Congestion> make_cubic(size_t packet_bytes) {
  return std::make_unique<Cubic>(packet_bytes);
}

}  // namespace mrt
