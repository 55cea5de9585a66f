// SPDX-License-Identifier: MIT
//
// The receiving half of one ordered stream, and one message under way: bytes that came,
// in any order, until they are whole. Know offsets, no packets; who checks windows is Inbound.
//
// 1. What is held never exceeds highest() - consumed, which the windows bound.
// 2. A byte is taken once, whatever comes twice.
#pragma once

#include <optional>

#include "mrt/base/bytes.h"
#include "mrt/base/interval_set.h"

namespace mrt {

/// The end that a stream announces: it cannot move, and no byte lies beyond it.
class FinalSize {
 public:
  /// False where that contradicts what is known (RFC 9000 section 4.5).
  bool on_bytes(uint64_t end, bool fin) {
    if (size_ && (end > *size_ || (fin && end != *size_))) return false;
    if (fin && end < highest_) return false;
    if (fin) size_ = end;
    highest_ = end > highest_ ? end : highest_;
    return true;
  }
  std::optional<uint64_t> size() const { return size_; }
  uint64_t highest() const { return highest_; }

 private:
  std::optional<uint64_t> size_;
  uint64_t highest_ = 0;
};

/// A ring of bytes that grows by doubling to what the window allows.
class RecvStream {
 public:
  FinalSize& final_size() { return final_size_; }
  const FinalSize& final_size() const { return final_size_; }
  /// REQUIRES: final_size() and the windows have allowed it.
  void insert(uint64_t offset, ByteView bytes);
  /// Moves out what is next in order; how many bytes.
  size_t read(MutableBytes out);
  uint64_t readable_bytes() const { return received_.first_gap(consumed_) - consumed_; }
  uint64_t consumed() const { return consumed_; }
  bool all_consumed() const { return final_size_.size() == consumed_; }
  /// The peer gave the stream up: the rest is not delivered.
  void drop();
  /// In a time of silence: an empty ring is made anew when something comes.
  void give_memory_back();
  size_t capacity() const { return ring_.size(); }

 private:
  void grow(uint64_t bytes);

  FinalSize final_size_;
  Bytes ring_;  // size a power of two; offset o lies at o mod size
  IntervalSet received_;
  uint64_t consumed_ = 0;
};

class RecvMessage {
 public:
  FinalSize& final_size() { return final_size_; }
  /// REQUIRES: as above.
  void insert(uint64_t offset, ByteView bytes);
  bool whole() const;
  Bytes take() { return std::move(bytes_); }

 private:
  FinalSize final_size_;
  Bytes bytes_;
  IntervalSet received_;
};

}  // namespace mrt
