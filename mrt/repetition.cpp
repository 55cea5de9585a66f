// SPDX-License-Identifier: MIT
#include "mrt/repetition.h"

#include <algorithm>

namespace mrt {

void RecentLoss::on_sent(uint64_t lost_total) {
  if (lost_total >= lost_total_)
    lost_ += lost_total - lost_total_;
  else
    lost_ -= std::min(lost_, lost_total_ - lost_total);
  lost_total_ = lost_total;
  if (++sent_ < packets_per_epoch) return;
  known_ = true;
  sent_ = 0;
  lost_before_ = lost_;
  lost_ = 0;
}

void Repetition::on_sent(Instant now, const SentFrame& frame) {
  const uint64_t end = frame.offset + frame.size;
  // What is cut anew because it was lost takes the place of what it was.
  forget_if([&](const SentFrame& f) {
    return f.stream == frame.stream && f.offset < end && frame.offset < f.offset + f.size;
  });
  if (pieces_.size() == pieces_max) pieces_.erase(pieces_.begin());
  pieces_.push_back({frame, 1, now});
}

Instant Repetition::alone_at(Duration wait) const {
  Instant at = never;
  for (const Piece& piece : pieces_)
    if (piece.sent < copies_alone_max) at = std::min(at, piece.sent_at + wait);
  return at;
}

}  // namespace mrt
