// SPDX-License-Identifier: MIT
//
// The deadlines of one connection: an array of instants, indexed by what they are for.
#pragma once

#include <algorithm>
#include <array>

#include "mrt/base/time.h"

namespace mrt {

enum class Timer : size_t {
  handshake,        // the RCON goes out again
  handshake_limit,  // no ACON, or no proof of the address
  loss,             // a packet is lost by time, or a probe is due (RFC 9002 section 6.2)
  ack,              // the longest that an ack may be delayed
  pacing,           // enough credit for the next packets
  repeat,           // a small piece waits for its copy
  path,             // the new address has not answered
  mtu,              // a probe of the packet size has not been acknowledged
  old_key,          // packets under the receiving key before this one have all come
  idle,
  keep_alive,
  flush,    // close_when_sent() waits no longer
  closing,  // RCLS goes out again
  closed,   // the state is dropped
};
inline constexpr size_t timer_count = static_cast<size_t>(Timer::closed) + 1;

class Timers {
 public:
  Timers() { at_.fill(never); }

  void set(Timer timer, Instant at) { at_[static_cast<size_t>(timer)] = at; }
  void clear(Timer timer) { set(timer, never); }
  void clear_all() { at_.fill(never); }
  Instant at(Timer timer) const { return at_[static_cast<size_t>(timer)]; }
  Instant next() const { return *std::min_element(at_.begin(), at_.end()); }
  /// True once: a timer that is due is cleared.
  bool expire(Timer timer, Instant now) {
    if (at(timer) > now) return false;
    clear(timer);
    return true;
  }

 private:
  std::array<Instant, timer_count> at_;
};

}  // namespace mrt
