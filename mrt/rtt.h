// SPDX-License-Identifier: MIT
//
// The round-trip time of one path: RFC 9002 section 5. Values in, values out.
#pragma once

#include <algorithm>

#include "mrt/base/time.h"

namespace mrt {

class Rtt {
 public:
  /// `ack_delay` is what the peer says it waited, already capped by what it may wait.
  void on_sample(Duration sample, Duration ack_delay) {
    latest_ = sample;
    // RFC 9002 section 5.2: "min_rtt is ... set to the lesser of min_rtt and latest_rtt".
    least_ = has_sample_ ? std::min(least_, sample) : sample;
    if (!has_sample_) {
      // RFC 9002 section 5.3, first sample.
      smoothed_ = sample;
      variance_ = sample / 2;
      has_sample_ = true;
      return;
    }
    const Duration adjusted = sample >= least_ + ack_delay ? sample - ack_delay : sample;
    const Duration error = smoothed_ > adjusted ? smoothed_ - adjusted : adjusted - smoothed_;
    variance_ = (3 * variance_ + error) / 4;
    smoothed_ = (7 * smoothed_ + adjusted) / 8;
  }

  /// Without a sample: at most this long, where that is less than is assumed else.
  void on_guess(Duration longest) { guess_ = std::min(longest, initial); }

  bool has_sample() const { return has_sample_; }
  Duration latest() const { return latest_; }
  Duration least() const { return least_; }
  Duration smoothed() const { return has_sample_ ? smoothed_ : guess_; }
  Duration variance() const { return has_sample_ ? variance_ : guess_ / 2; }

  /// RFC 9002 section 6.2.1: PTO = smoothed_rtt + max(4 * rttvar, kGranularity) + max_ack_delay.
  Duration probe_timeout(Duration ack_delay_max) const {
    return smoothed() + std::max<Duration>(4 * variance(), granularity) + ack_delay_max;
  }
  /// RFC 9002 section 6.1.2: 9/8 of the larger of the smoothed and the latest sample.
  Duration loss_delay() const {
    return std::max<Duration>(std::max(smoothed(), latest_) * 9 / 8, granularity);
  }

  /// RFC 9002 section 6.1.2: "The RECOMMENDED value of the timer granularity is 1 millisecond."
  static constexpr Duration granularity = std::chrono::milliseconds(1);
  /// RFC 9002 section 6.2.2 takes 333 ms where nothing is known. The handshake that comes
  /// before gives the first sample here, so this rules only what follows a new address.
  static constexpr Duration initial = std::chrono::milliseconds(333);

 private:
  bool has_sample_ = false;
  Duration guess_ = initial;
  Duration latest_{};
  Duration least_{};
  Duration smoothed_{};
  Duration variance_{};
};

}  // namespace mrt
