// SPDX-License-Identifier: MIT
//
// Spreads packets over the round trip (RFC 9002 section 7.7): a bucket of credit that
// fills at the rate the congestion controller gives. It knows no packets, only bytes.
//
// Credit holds what about two milliseconds bring, since that is how late a timer may
// be, and at least the initial burst of ten packets.
#pragma once

#include <algorithm>

#include "mrt/base/time.h"

namespace mrt {

class Pacer {
 public:
  /// Bytes that may go now at `bytes_per_second`. May be asked at any time.
  size_t credit(Instant now, double bytes_per_second, size_t packet_bytes) {
    const double capacity = std::max(bytes_per_second * to_seconds(burst_time),
                                     static_cast<double>(burst_packets * packet_bytes));
    if (!started_) {
      credit_ = capacity;
      started_ = true;
    } else if (now > filled_) {
      credit_ = std::min(capacity, credit_ + bytes_per_second * to_seconds(now - filled_));
    }
    filled_ = now;
    return credit_ > 0 ? static_cast<size_t>(credit_) : 0;
  }

  /// A packet may overdraw the credit: a packet larger than the rest is not held back.
  void on_sent(size_t bytes) { credit_ -= static_cast<double>(bytes); }

  /// When there is credit for a packet again, and for a millisecond's worth: not more often.
  Instant next(double bytes_per_second, size_t packet_bytes) const {
    const double wanted =
        std::max(static_cast<double>(packet_bytes), bytes_per_second * to_seconds(granularity));
    const double seconds = std::max(0.0, wanted - credit_) / std::max(bytes_per_second, 1.0);
    const auto wait = std::chrono::duration_cast<Duration>(
        std::chrono::duration<double>(std::min(seconds, to_seconds(wait_max))));
    return filled_ + std::max<Duration>(wait, std::chrono::microseconds(1));
  }

 private:
  // RFC 9002 section 7.7: bursts "limited to the initial congestion window", ten packets.
  static constexpr size_t burst_packets = 10;
  static constexpr Duration burst_time = std::chrono::milliseconds(2);
  static constexpr Duration granularity = std::chrono::milliseconds(1);
  static constexpr Duration wait_max = std::chrono::seconds(2);

  bool started_ = false;
  double credit_ = 0;
  Instant filled_{};
};

}  // namespace mrt
