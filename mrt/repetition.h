// SPDX-License-Identifier: MIT
//
// Small interactive pieces that are out and not acknowledged. On a path that loses packets they
// ride again in packets that go anyway, before anything says that they were lost: a stream in
// order then waits for the next packet, not for a round trip. Knows neither packets nor what is in
// a piece.
//
// 1. A piece goes out at most copies_max times, not twice within a gap.
// 2. At most pieces_max are kept; the oldest of more are left to loss recovery alone.
#pragma once

#include <cstdint>
#include <vector>

#include "mrt/base/time.h"
#include "mrt/sender.h"

namespace mrt {

/// Whether a path has lost anything lately, by the totals of the connection.
class RecentLoss {
 public:
  /// One more packet that elicits an ack, and how many were lost so far (less again where a loss
  /// turned out to be none).
  void on_sent(uint64_t lost_total);
  /// Too few packets to tell.
  bool unknown() const { return !known_ && sent_ < packets_known; }
  bool seen() const { return lost_ + lost_before_ > 0; }
  /// How much of what was sent since then.
  double share() const {
    const uint64_t sent = sent_ + (known_ ? packets_per_epoch : 0);
    return sent > 0 ? static_cast<double>(lost_ + lost_before_) / static_cast<double>(sent) : 0;
  }

 private:
  // At 5 % loss a path is known after so many but for one time in 100,000.
  static constexpr uint64_t packets_known = 225;
  // A loss is remembered over one to two times that. Where 1 % is lost, none within it is as rare;
  // where less than 0.1 % is, p99 needs no copies.
  static constexpr uint64_t packets_per_epoch = 1'024;

  uint64_t sent_ = 0;  // in this epoch
  uint64_t lost_ = 0;
  uint64_t lost_before_ = 0;  // in the epoch before
  uint64_t lost_total_ = 0;
  bool known_ = false;  // an epoch is over
};

class Repetition {
 public:
  struct Piece {
    SentFrame frame;
    int sent = 1;
    Instant sent_at{};
  };

  static bool is_small(size_t bytes) { return bytes <= piece_bytes_max; }
  /// Sent for the first time, or again since it was lost. REQUIRES: is_small().
  void on_sent(Instant now, const SentFrame& frame);
  /// When the next piece wants a packet of its own, since none came by for it to ride in.
  Instant alone_at(Duration wait) const;

  /// Those that may go again, the oldest first: calls write(frame), which says whether it did.
  template <class Write>
  void repeat(Instant now, Duration gap, Write write) {
    for (Piece& piece : pieces_) {
      if (piece.sent >= copies_max || now < piece.sent_at + gap || !write(piece.frame)) continue;
      ++piece.sent;
      piece.sent_at = now;
    }
  }
  /// Drops pieces of which nothing is to be sent any more.
  template <class Settled>
  void forget_if(Settled settled) {
    std::erase_if(pieces_, [&](const Piece& piece) { return settled(piece.frame); });
  }

  bool empty() const { return pieces_.empty(); }
  const std::vector<Piece>& pieces() const { return pieces_; }
  void give_memory_back() {
    if (pieces_.empty()) pieces_ = {};
  }

  /// At 20 % loss one piece in 15,000 is in none of six packets.
  static constexpr int copies_max = 6;
  /// Two beside a third of that size fit into the smallest packet.
  static constexpr size_t piece_bytes_max = 360;
  /// 400 pieces a second over a round trip of 160 ms.
  static constexpr size_t pieces_max = 64;
  /// Packets of its own are made for a piece only until it was sent so often: with a quarter of a
  /// round trip between them, the acknowledgement of the first may then be there.
  static constexpr int copies_alone_max = 4;

 private:
  std::vector<Piece> pieces_;
};

}  // namespace mrt
