// SPDX-License-Identifier: MIT
//
// Bytes a second over the last second or so: ten marks in a ring, one each 100 ms.
#pragma once

#include <array>
#include <cstdint>

#include "mrt/base/time.h"

namespace node {

class RateMeter {
 public:
  /// `total` bytes so far; never falls. Cheap: at most one mark each 100 ms is kept.
  void note(mrt::Instant now, uint64_t total) {
    if (count_ == 0 || now - newest().at >= mark_interval) {
      marks_[count_++ % marks_.size()] = {now, total};
    }
    total_ = total;
  }
  /// Bytes a second between the oldest mark and now; 0 in the first moment.
  uint64_t rate(mrt::Instant now) const {
    if (count_ == 0) return 0;
    const Mark& oldest = count_ < marks_.size() ? marks_[0] : marks_[count_ % marks_.size()];
    const double seconds = mrt::to_seconds(now - oldest.at);
    if (seconds <= 0) return 0;
    return static_cast<uint64_t>(static_cast<double>(total_ - oldest.bytes) / seconds);
  }

 private:
  static constexpr mrt::Duration mark_interval = std::chrono::milliseconds(100);
  struct Mark {
    mrt::Instant at;
    uint64_t bytes;
  };
  const Mark& newest() const { return marks_[(count_ - 1) % marks_.size()]; }

  std::array<Mark, 11> marks_{};
  uint64_t count_ = 0;
  uint64_t total_ = 0;
};

}  // namespace node
