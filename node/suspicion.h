// SPDX-License-Identifier: MIT
//
// Whether a peer that should be heard regularly may be dead: the silence is compared with
// what its arrivals so far make plausible (a simplified phi-accrual detector: Hayashibara et
// al. 2004; the bound is built as RFC 6298's retransmission time-out, mean + 4 deviations).
// It knows neither clock nor connection: arrivals and questions carry `now`.
//
// 1. Nobody is suspected before silence_min, however regular it was.
// 2. Whoever was away himself suspects himself first: forgive() starts the silence anew.
#pragma once

#include <algorithm>

#include "mrt/base/time.h"

namespace node {

/// The overlay's floor: below it, a host that is merely busy for some tens of milliseconds
/// (a scheduler's slice, a page-in) would be declared dead.
inline constexpr mrt::Duration silence_min = std::chrono::milliseconds(300);
/// Until so many arrivals are known, as long as RFC 6298 section 2.1 waits without a sample.
inline constexpr int arrivals_min = 8;
inline constexpr mrt::Duration silence_at_first = std::chrono::seconds(1);
/// However irregular the arrivals were, a silence of this length is suspect.
inline constexpr mrt::Duration silence_max = std::chrono::seconds(5);

class Suspicion {
 public:
  explicit Suspicion(mrt::Instant now) : last_heard_(now) {}

  /// The peer was heard at `when`; out of order or repeated instants change nothing.
  void on_heard(mrt::Instant when);
  /// Keep-alives now go out at this interval: silence below three of them is no silence. Gaps of
  /// quite another interval say nothing of this one: then the peer is hardly known.
  void expect_every(mrt::Duration interval);
  /// This node was not running, or has only just begun to ask: judge from `now` on.
  void forgive(mrt::Instant now) { last_heard_ = std::max(last_heard_, now); }

  mrt::Instant last_heard() const { return last_heard_; }
  mrt::Duration silence_allowed() const;
  /// When the peer becomes suspect if nothing is heard of it until then.
  mrt::Instant deadline() const { return last_heard_ + silence_allowed(); }
  bool is_suspect(mrt::Instant now) const { return now >= deadline(); }

 private:
  mrt::Instant last_heard_;
  int arrivals_ = 0;
  mrt::Duration interval_{};
  mrt::Duration mean_{};       // of the gaps between arrivals
  mrt::Duration deviation_{};  // mean deviation of the gaps
};

}  // namespace node
