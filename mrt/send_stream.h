// SPDX-License-Identifier: MIT
//
// The sending half of one stream: bytes that wait, that are out, that were lost. Knows
// offsets, no packets and no windows of others.
//
// 1. A byte is kept until it and all before it are acknowledged.
// 2. next_lost() gives only what was sent before; next_fresh() only what was not, and none
//    at or above limit().
// 3. The final size never changes once fin() is set (RFC 9000 section 4.5).
// 4. It costs no memory of its own while it is one shared message, sent and acknowledged in order.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/interval_set.h"
#include "mrt/types.h"

namespace mrt {

class SendStream {
 public:
  /// RFC 813's silly window: while something is out, what a window lets go is not worth a packet
  /// below that size, for the next ack or more of the window will come.
  static constexpr uint64_t window_piece_min = 512;

  struct Piece {
    uint64_t offset = 0;
    size_t size = 0;
    bool fin = false;
  };

  SendStream(Priority priority, uint64_t limit) : limit_(limit), priority_(priority) {}

  /// Copies. REQUIRES: neither finished nor reset.
  void append(ByteView bytes);
  /// Keeps a reference. REQUIRES: nothing was appended.
  void append(SharedBytes bytes);
  void finish();
  /// Everything unacknowledged is dropped; gives how many bytes that were.
  uint64_t reset(uint64_t code);
  void raise_limit(uint64_t limit) { limit_ = limit > limit_ ? limit : limit_; }
  void set_priority(Priority priority) { priority_ = priority; }

  /// Up to `size_max` bytes to send again or for the first time; nothing if there are none.
  std::optional<Piece> next_lost(size_t size_max) const;
  std::optional<Piece> next_fresh(size_t size_max) const;
  /// How many bytes next_fresh() could still give, whatever the size of a packet.
  uint64_t fresh_bytes() const;
  /// Fills `out` from `offset` on. REQUIRES: those bytes are not released.
  void copy(uint64_t offset, MutableBytes out) const;
  void on_sent(const Piece& piece);
  /// Gives the number of bytes that are released by it.
  uint64_t on_acked(const Piece& piece);
  void on_lost(const Piece& piece);
  void on_reset_acked() { reset_acked_ = true; }

  bool has_lost() const { return !reset_ && (fin_lost_ || (ragged_ && !ragged_->lost.empty())); }
  bool has_fresh() const;
  /// Bytes wait that only a greater limit() lets go.
  bool blocked() const { return !reset_ && next_ >= limit_ && next_ < end_; }
  /// This piece was sent, and nothing of it is acknowledged or given up.
  bool awaits(const Piece& piece) const;
  /// All that was written, and FIN or RESET_STREAM, is acknowledged.
  bool done() const { return reset_ ? reset_acked_ : fin_acked_ && released_ == end_; }
  bool writable() const { return !fin_ && !reset_; }
  bool fin() const { return fin_; }
  std::optional<uint64_t> reset_code() const {
    return reset_ ? std::optional(reset_code_) : std::nullopt;
  }
  Priority priority() const { return priority_; }
  uint64_t limit() const { return limit_; }
  uint64_t size() const { return end_; }
  /// One past the highest byte ever sent.
  uint64_t sent() const { return next_; }
  uint64_t unreleased_bytes() const { return end_ - released_; }
  bool anything_out() const { return released_ < next_; }
  bool is_consistent() const;

 private:
  struct Chunk {
    uint64_t begin = 0;
    Bytes bytes;
  };
  /// What few streams ever have.
  struct Ragged {
    IntervalSet acked;  // above released_
    IntervalSet lost;
  };
  Ragged& ragged();

  uint64_t limit_;
  SharedBytes whole_;          // one of
  std::vector<Chunk> chunks_;  // the two
  uint64_t released_ = 0;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  std::unique_ptr<Ragged> ragged_;  // made when first needed
  uint64_t reset_code_ = 0;
  Priority priority_;
  bool fin_ = false;
  bool fin_sent_ = false;
  bool fin_lost_ = false;
  bool fin_acked_ = false;
  bool reset_ = false;
  bool reset_acked_ = false;
};

}  // namespace mrt
