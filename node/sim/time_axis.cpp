// SPDX-License-Identifier: MIT
#include "node/sim/time_axis.h"

#include <algorithm>
#include <array>

namespace node::sim {

using mrt::Duration;
using mrt::Instant;

// A take-over takes some 300 ms: at this scale it is 36 wide.
static constexpr double width_per_second = 120;
static constexpr double width_min = 900;   // the header's lines fit
static constexpr double width_max = 2400;  // a screen and a half
// Longer than the pauses of most scripts' talk; what is left of it is wide enough for a label.
static constexpr Duration pause_max = std::chrono::milliseconds(1500);
static constexpr double fold_s = 0.5;
static constexpr double label_width = 60;

TimeAxis::TimeAxis(std::vector<Instant> busy, Instant end) : end_(std::max(end, Instant{})) {
  busy.push_back(Instant{});
  busy.push_back(end_);
  std::erase_if(busy, [this](Instant one) { return one > end_; });
  std::sort(busy.begin(), busy.end());
  for (size_t i = 1; i < busy.size(); ++i) {
    if (busy[i] - busy[i - 1] > pause_max) folds_.push_back({busy[i - 1], busy[i]});
  }
  const double all = std::max(shown_s(end_), 0.001);
  width_ = std::clamp(all * width_per_second, width_min, width_max);
  per_second_ = width_ / all;
}

double TimeAxis::shown_s(Instant instant) const {
  double shown = mrt::to_seconds(instant.time_since_epoch());
  for (const Fold& fold : folds_) {
    if (fold.from >= instant) break;
    const double whole = mrt::to_seconds(fold.to - fold.from);
    const double part = mrt::to_seconds(std::min(instant, fold.to) - fold.from);
    shown -= part * (1 - fold_s / whole);
  }
  return shown;
}

double TimeAxis::at(Instant instant) const {
  return per_second_ * shown_s(std::clamp(instant, Instant{}, end_));
}

std::vector<Instant> TimeAxis::ticks() const {
  static constexpr std::array<int64_t, 12> steps_ms = {1,   5,     10,    50,    100,    200,
                                                       500, 1'000, 2'000, 5'000, 10'000, 60'000};
  int64_t step_ms = steps_ms.back();
  for (const int64_t candidate : steps_ms) {
    step_ms = candidate;
    if (per_second_ * static_cast<double>(step_ms) / 1e3 >= label_width) break;
  }
  const Duration step = std::chrono::milliseconds(step_ms);
  std::vector<Instant> out;
  auto fold = folds_.begin();
  double last = -label_width;
  for (Instant tick{}; tick <= end_;) {
    while (fold != folds_.end() && fold->to <= tick) ++fold;
    if (fold != folds_.end() && tick > fold->from) {
      // On to the first round instant behind it.
      tick = Instant{} + ((fold->to - Instant{}) / step + 1) * step;
      continue;
    }
    if (at(tick) - last >= label_width) {
      out.push_back(tick);
      last = at(tick);
    }
    tick += step;
  }
  return out;
}

}  // namespace node::sim
