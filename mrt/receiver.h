// SPDX-License-Identifier: MIT
//
// Which packets came, and when to say so: ack ranges and delayed acks (WIRE.md 5.3, RFC
// 9000 section 13.2). Knows numbers and instants, no frames.
//
// 1. A packet number is new at most once: replays and duplicates are told by is_new().
// 2. At most ranges_kept_max ranges are kept. What lies below the oldest counts as
//    received: such a packet is dropped, and its sender sends its frames anew.
// 3. A batch of packets asks for at most one ACK.
#pragma once

#include <optional>

#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/base/interval_set.h"
#include "mrt/base/time.h"

namespace mrt {

class Receiver {
 public:
  bool is_new(PacketNumber number) const;
  /// REQUIRES: is_new(number).
  void on_packet(Instant now, PacketNumber number, bool ack_eliciting, size_t bytes = 0);
  /// All packets of one input have been given.
  void on_batch_end(Instant now);

  bool ack_due(Instant now) const { return ack_at_ <= now; }
  /// Something came that no ACK has been sent for: worth a few bytes in any packet.
  bool ack_useful() const { return unacknowledged_ > 0; }
  Instant ack_at() const { return ack_at_; }
  /// Writes an ACK and counts it as sent; gives its largest number. REQUIRES: any_received().
  PacketNumber write_ack(Instant now, Writer& out);
  /// An ACK with that largest number was itself acknowledged (RFC 9000 section 13.2.4).
  void on_ack_acked(PacketNumber largest);

  bool any_received() const { return !received_.empty(); }
  /// One past the largest number received.
  uint64_t end_number() const { return end_; }
  bool is_consistent() const;

  /// RFC 9000 section 18.2: max_ack_delay's default.
  static constexpr Duration ack_delay_max = std::chrono::milliseconds(25);
  /// An ACK tells the newest 64 (wire.h), the ones before have told the others. 100 Mb/s at 100 ms
  /// with one packet in three lost make 200 gaps; 4 KB for who makes them on purpose.
  static constexpr size_t ranges_kept_max = 256;

 private:
  IntervalSet received_;
  uint64_t floor_ = 0;  // everything below counts as received
  uint64_t end_ = 0;
  Instant largest_at_{};
  size_t unacknowledged_ = 0;  // ack-eliciting packets since the last ACK
  size_t unacknowledged_bytes_ = 0;
  bool out_of_order_ = false;
  Instant ack_at_ = never;
};

}  // namespace mrt
