// SPDX-License-Identifier: MIT
#include "mrt/receiver.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace mrt {

bool Receiver::is_new(PacketNumber number) const {
  if (number.value >= end_) return true;
  return number.value >= floor_ && !received_.contains(number.value);
}

void Receiver::on_packet(Instant now, PacketNumber number, bool ack_eliciting, size_t bytes) {
  CHECK(is_new(number));
  received_.add(number.value, number.value + 1);
  while (received_.interval_count() > ranges_kept_max) received_.drop_first();
  if (received_.interval_count() == ranges_kept_max)
    floor_ = std::max(floor_, received_.front().begin);
  if (ack_eliciting) {
    ++unacknowledged_;
    unacknowledged_bytes_ += bytes;
    // RFC 9000 section 13.2.1: at once when a packet is below another ack-eliciting one, or
    // above a gap.
    if (number.value != end_) out_of_order_ = true;
  }
  if (number.value >= end_) {
    end_ = number.value + 1;
    largest_at_ = now;
  }
}

void Receiver::on_batch_end(Instant now) {
  if (unacknowledged_ == 0) return;
  // RFC 9000 section 13.2.2: "A receiver SHOULD send an ACK frame after receiving at least
  // two ack-eliciting packets."
  // One large packet holds as much as several: who sent it may be waiting to go on.
  constexpr size_t packets_per_ack = 2;
  if (unacknowledged_ >= packets_per_ack || out_of_order_ ||
      unacknowledged_bytes_ >= packets_per_ack * packet_bytes_initial)
    ack_at_ = std::min(ack_at_, now);
  else
    ack_at_ = std::min(ack_at_, now + ack_delay_max);
}

PacketNumber Receiver::write_ack(Instant now, Writer& out) {
  CHECK(any_received());
  mrt::write_ack(out, received_, now - largest_at_);
  unacknowledged_ = 0;
  unacknowledged_bytes_ = 0;
  out_of_order_ = false;
  ack_at_ = never;
  return {received_.back().end - 1};
}

void Receiver::on_ack_acked(PacketNumber largest) {
  // The newest range stays whole above `largest`, so there is always something to say.
  const uint64_t below = std::min(largest.value, received_.empty() ? 0 : received_.back().end - 1);
  if (below <= floor_) return;
  received_.remove(0, below);
  floor_ = below;
}

bool Receiver::is_consistent() const {
  return received_.interval_count() <= ranges_kept_max &&
         (received_.empty() ||
          (received_.back().end <= end_ && received_.front().begin >= floor_)) &&
         (ack_at_ == never || unacknowledged_ > 0);
}

}  // namespace mrt
