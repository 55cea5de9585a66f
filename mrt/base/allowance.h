// SPDX-License-Identifier: MIT
//
// So much at once, and so much a second on average: a token bucket, kept as the instant at which
// it is full again. It never counts and never has to be looked after.
//
// 1. Over any time t at most burst + rate * t is taken, where nobody spends what is spent.
#pragma once

#include <algorithm>

#include "mrt/base/time.h"

namespace mrt {

class Allowance {
 public:
  constexpr Allowance(int64_t per_second, int64_t burst)
      : each_(std::chrono::nanoseconds(std::chrono::seconds(1)) / per_second),
        reserve_(each_ * (burst - 1)) {}

  bool is_spent(Instant now) const { return now < usable_at(); }
  /// From when on it is not spent.
  Instant usable_at() const { return full_at_ - reserve_; }
  bool is_full(Instant now) const { return full_at_ <= now; }
  /// May overdraw: it is then spent for longer.
  void spend(Instant now, int64_t tokens = 1) {
    full_at_ = std::max(full_at_, now) + each_ * tokens;
  }
  void give_back() { full_at_ -= each_; }

 private:
  Duration each_;
  Duration reserve_;  // of all tokens but the last
  Instant full_at_{};
};

}  // namespace mrt
