// SPDX-License-Identifier: MIT
#include "node/suspicion.h"

#include <cmath>

namespace node {

// Arrivals of one batch are milliseconds apart and say nothing about how long a silence may
// last: they count as one.
static constexpr mrt::Duration gap_min = std::chrono::milliseconds(10);

void Suspicion::on_heard(mrt::Instant when) {
  const mrt::Duration gap = when - last_heard_;
  if (gap < gap_min) return;
  last_heard_ = when;
  if (arrivals_ < arrivals_min) ++arrivals_;
  // RFC 6298 section 2: the first sample is the mean, half of it the deviation; then its alpha
  // of 1/8 and beta of 1/4.
  if (mean_ == mrt::Duration{}) {
    mean_ = gap;
    deviation_ = gap / 2;
    return;
  }
  const mrt::Duration error = gap > mean_ ? gap - mean_ : mean_ - gap;
  deviation_ += (error - deviation_) / 4;
  mean_ += (gap - mean_) / 8;
}

void Suspicion::expect_every(mrt::Duration interval) {
  if (interval_ != mrt::Duration{} && (interval > 2 * interval_ || 2 * interval < interval_)) {
    arrivals_ = 0;
    mean_ = deviation_ = {};
  }
  interval_ = interval;
}

/// Where keep-alives get lost the gaps are geometric: of one keep-alive in `mean_ / interval_` an
/// answer comes. How long a silence is that happens once in a million?
static mrt::Duration silence_by_loss(mrt::Duration interval, mrt::Duration mean) {
  if (interval == mrt::Duration{} || mean <= interval) return {};
  const double answered = mrt::to_seconds(interval) / mrt::to_seconds(mean);
  constexpr double ln_million = 13.8;
  const double keep_alives = ln_million / -std::log1p(-answered);
  return mrt::Duration(static_cast<int64_t>(keep_alives * static_cast<double>(interval.count())));
}

mrt::Duration Suspicion::silence_allowed() const {
  const mrt::Duration plausible =
      std::max({3 * interval_, mean_ + 4 * deviation_, silence_by_loss(interval_, mean_)});
  const mrt::Duration floor = arrivals_ < arrivals_min ? silence_at_first : silence_min;
  return std::clamp(plausible, floor, std::max(silence_max, 3 * interval_));
}

}  // namespace node
