// SPDX-License-Identifier: MIT
#include "mrt/cubic.h"

#include <algorithm>
#include <cmath>

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
constexpr int conservative_growth_divisor = 4;
constexpr int conservative_rounds_max = 5;

}  // namespace

Cubic::Cubic(size_t packet_bytes)
    : packet_(static_cast<double>(packet_bytes)),
      window_(std::min(window_packets_initial * packet_,
                       std::max(2 * packet_, window_bytes_initial_max))) {}

double Cubic::window_min() const { return window_packets_min * packet_; }

void Cubic::start(double window) {
  window_ = std::max(window, window_min());
  threshold_ = std::numeric_limits<double>::infinity();
  recovery_started_ = Instant::min();
  window_max_ = undo_window_ = 0;
  epoch_running_ = false;
  watches_delay_ = false;
}

// RFC 9002 section 7.7: rate = N * congestion_window / smoothed_rtt; N doubles the window
// within a round trip in slow start and is a little above 1 later.
double Cubic::pacing_bytes_per_second(const Rtt& rtt) const {
  constexpr double gain_slow_start = 2;
  constexpr double gain_later = 1.25;
  const double gain = in_slow_start() ? gain_slow_start : gain_later;
  constexpr Duration least = std::chrono::microseconds(10);
  return gain * window_ / to_seconds(std::max(rtt.smoothed(), least));
}

void Cubic::on_acked(const AckSample& sample, const Rtt& rtt) {
  // RFC 9002 section 7.3.2: no growth for packets sent before the recovery period began.
  if (sample.sent_at <= recovery_started_) return;
  // RFC 9002 section 7.8: a window that is not used is not grown.
  if (static_cast<double>(sample.in_flight_before) < window_ / 2) return;
  if (in_slow_start()) {
    const auto bytes = static_cast<double>(sample.bytes);
    window_ += conservative_rounds_ > 0 ? bytes / conservative_growth_divisor : bytes;
    if (watches_delay_) watch_delay(sample);
  } else {
    grow_cubic(sample, rtt);
  }
  window_ = std::min(window_, window_bytes_limit);
}

// RFC 9406 section 4.2: a round whose least delay rose brings conservative slow start; if the delay
// falls again it was noise, and if it has not after some rounds, slow start is over.
void Cubic::watch_delay(const AckSample& sample) {
  if (sample.sent_at >= round_started_) {
    round_started_ = sample.now;
    last_round_least_ = round_least_;
    round_least_ = Duration::max();
    round_samples_ = 0;
    if (conservative_rounds_ > 0 && ++conservative_rounds_ > conservative_rounds_max)
      threshold_ = window_;
  }
  if (sample.rtt == Duration{}) return;
  round_least_ = std::min(round_least_, sample.rtt);
  if (++round_samples_ < rtt_samples_min) return;
  if (conservative_rounds_ > 0) {
    if (round_least_ < baseline_) conservative_rounds_ = 0;
    return;
  }
  if (last_round_least_ == Duration::max()) return;
  const Duration rise =
      std::clamp<Duration>(last_round_least_ / 8, rtt_threshold_min, rtt_threshold_max);
  if (round_least_ < last_round_least_ + rise) return;
  baseline_ = round_least_;
  conservative_rounds_ = 1;
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

}  // namespace mrt
