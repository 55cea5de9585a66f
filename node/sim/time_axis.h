// SPDX-License-Identifier: MIT
//
// Virtual time as places on a line: even, but that long pauses in which nothing happens are
// folded to a short stretch each, so that ten busy seconds are not lost in ten quiet minutes.
// Pure; it knows no events and no shapes.
//
// 1. at() never falls as time rises, and every instant lies within 0 and width().
// 2. width() is within the limits, however long the run.
#pragma once

#include <vector>

#include "mrt/base/time.h"

namespace node::sim {

class TimeAxis {
 public:
  struct Fold {
    mrt::Instant from;
    mrt::Instant to;
  };

  /// `busy`: when something happens, in any order; `end`: of the run.
  TimeAxis(std::vector<mrt::Instant> busy, mrt::Instant end);

  double at(mrt::Instant instant) const;
  double width() const { return width_; }
  const std::vector<Fold>& folds() const { return folds_; }
  /// Round instants for labels, none within a fold or too close to another.
  std::vector<mrt::Instant> ticks() const;

 private:
  /// Time on the line: what is folded counts for as much as is shown of it.
  double shown_s(mrt::Instant instant) const;

  mrt::Instant end_;
  std::vector<Fold> folds_;
  double width_;
  double per_second_;
};

}  // namespace node::sim
