// SPDX-License-Identifier: MIT
//
// The sending half of one stream: bytes that wait, that are out, that were lost. Knows
// offsets, no packets and no windows of others.
//
// 1. A byte is kept until it and all before it are acknowledged.
// 2. next_lost() gives only what was sent before; next_fresh() only what was not, and none
//    at or above limit().
// 3. The final size never changes once fin() is set (RFC 9000 section 4.5).
#pragma once

#include <optional>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/interval_set.h"
#include "mrt/types.h"

namespace mrt {

class SendStream {
 public:
  struct Piece {
    uint64_t offset = 0;
    size_t size = 0;
    bool fin = false;
  };

  SendStream(Priority priority, uint64_t limit) : priority_(priority), limit_(limit) {}

  /// Copies. REQUIRES: neither finished nor reset.
  void append(ByteView bytes);
  /// Keeps a reference.
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

  bool has_lost() const { return !reset_code_ && (!lost_.empty() || fin_lost_); }
  bool has_fresh() const;
  /// Bytes wait that only a greater limit() lets go.
  bool blocked() const { return !reset_code_ && next_ >= limit_ && next_ < end_; }
  /// All that was written, and FIN or RESET_STREAM, is acknowledged.
  bool done() const { return reset_code_ ? reset_acked_ : fin_acked_ && released_ == end_; }
  bool writable() const { return !fin_ && !reset_code_; }
  bool fin() const { return fin_; }
  std::optional<uint64_t> reset_code() const { return reset_code_; }
  Priority priority() const { return priority_; }
  uint64_t limit() const { return limit_; }
  uint64_t size() const { return end_; }
  /// One past the highest byte ever sent.
  uint64_t sent() const { return next_; }
  uint64_t unreleased_bytes() const { return end_ - released_; }
  bool is_consistent() const;

 private:
  struct Chunk {
    uint64_t begin = 0;
    Bytes own;  // one of the two
    SharedBytes shared;
    ByteView view() const { return shared ? ByteView(*shared) : ByteView(own); }
  };

  Priority priority_;
  uint64_t limit_;
  std::vector<Chunk> chunks_;
  uint64_t released_ = 0;
  uint64_t next_ = 0;
  uint64_t end_ = 0;
  IntervalSet acked_;
  IntervalSet lost_;
  bool fin_ = false;
  bool fin_sent_ = false;
  bool fin_lost_ = false;
  bool fin_acked_ = false;
  std::optional<uint64_t> reset_code_;
  bool reset_acked_ = false;
};

}  // namespace mrt
