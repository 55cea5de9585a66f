// SPDX-License-Identifier: MIT
//
// How much may be in flight and how fast it may leave. The interface is what a
// loss-based controller (Cubic, below) and a model-based one need; it knows no packets'
// contents, no streams and no timers.
//
// Samples carry what the sender measured; a controller keeps no clock of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "mrt/base/time.h"
#include "mrt/rtt.h"

namespace mrt {

/// What one ACK frame told.
struct AckSample {
  Instant now;
  size_t bytes = 0;                  // newly acknowledged
  size_t in_flight_before = 0;       // before this ACK
  Instant sent_at{};                 // of the newest packet acknowledged
  double delivery_rate = 0;          // bytes per second over the newest packet's flight; 0: unknown
  bool application_limited = false;  // the rate was set by us having nothing to send
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

  virtual void on_sent(Instant now, size_t bytes, size_t in_flight) = 0;
  virtual void on_acked(const AckSample& sample, const Rtt& rtt) = 0;
  virtual void on_lost(const LossSample& sample, const Rtt& rtt) = 0;
  /// Packets sent at `sent_at` that were declared lost arrived after all.
  virtual void on_lost_spuriously(Instant sent_at) = 0;
  virtual void on_packet_size(size_t packet_bytes) = 0;

  virtual size_t window_bytes() const = 0;
  virtual double pacing_bytes_per_second(const Rtt& rtt) const = 0;
};

std::unique_ptr<Congestion> make_cubic(size_t packet_bytes);

}  // namespace mrt
