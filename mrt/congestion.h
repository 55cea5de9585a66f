// SPDX-License-Identifier: MIT
//
// How much may be in flight and how fast it may leave: one interface, and who lives behind it.
// DelayModel (delay_model.h) is the default; Cubic (cubic.h) is what others on the path are.
// A controller knows no packets' contents, no streams and no timers.
//
// Samples carry what the sender measured; a controller keeps no clock of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "mrt/base/time.h"
#include "mrt/rtt.h"

namespace mrt {

enum class CongestionControl : uint8_t { model, cubic };

/// What one ACK frame told.
struct AckSample {
  Instant now;
  size_t bytes = 0;             // newly acknowledged
  size_t in_flight_before = 0;  // before this ACK
  Instant sent_at{};            // of the newest packet acknowledged
  Duration rtt{};               // that it gave; zero: it gave none
  // What was acknowledged or lost in the newest packet's flight, in bytes a second: what the
  // bottleneck served, as long as losses are random. 0: unknown.
  double service_rate = 0;
};

/// What one pass of loss detection found.
struct LossSample {
  Instant now;
  size_t bytes = 0;
  size_t in_flight_before = 0;
  Instant newest_sent_at{};  // of the packets lost
  bool persistent = false;   // RFC 9002 section 7.6
};

class Congestion {
 public:
  virtual ~Congestion() = default;

  virtual void on_acked(const AckSample& sample, const Rtt& rtt) = 0;
  virtual void on_lost(const LossSample& sample, const Rtt& rtt) = 0;
  /// Packets sent at `sent_at` that were declared lost arrived after all.
  virtual void on_lost_spuriously(Instant sent_at) = 0;
  virtual void on_packet_size(size_t packet_bytes) = 0;

  virtual size_t window_bytes() const = 0;
  /// So much of what is out longer than a round trip, and neither acknowledged nor passed by what
  /// was, is taken to have left the path: acks get lost too.
  virtual size_t unheard_bytes_max() const { return 0; }
  virtual double pacing_bytes_per_second(const Rtt& rtt) const = 0;
};

std::unique_ptr<Congestion> make_congestion(CongestionControl kind, size_t packet_bytes);

}  // namespace mrt
