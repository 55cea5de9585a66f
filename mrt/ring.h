// SPDX-License-Identifier: MIT
//
// A queue indexed by a number that only rises: push at the end, pop at the front, reach
// any in between. One block of memory that grows by doubling; no allocation otherwise.
// The owner bounds size().
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "mrt/base/check.h"

namespace mrt {

template <class T>
class Ring {
 public:
  /// Number of the first element still held, and one past the last.
  uint64_t begin_number() const { return begin_; }
  uint64_t end_number() const { return end_; }
  size_t size() const { return static_cast<size_t>(end_ - begin_); }
  bool empty() const { return begin_ == end_; }
  bool holds(uint64_t number) const { return number >= begin_ && number < end_; }

  T& operator[](uint64_t number) { return slots_[number & (slots_.size() - 1)]; }
  const T& operator[](uint64_t number) const { return slots_[number & (slots_.size() - 1)]; }
  T& front() { return (*this)[begin_]; }
  const T& front() const { return (*this)[begin_]; }

  void push(T value) {
    if (size() == slots_.size()) grow();
    slots_[end_ & (slots_.size() - 1)] = std::move(value);
    ++end_;
  }
  void pop() {
    CHECK(!empty());
    ++begin_;
    if (empty() && slots_.size() > slots_kept_max) slots_ = std::vector<T>();
  }

 private:
  void grow() {
    std::vector<T> larger(slots_.empty() ? 16 : slots_.size() * 2);
    for (uint64_t n = begin_; n < end_; ++n)
      larger[n & (larger.size() - 1)] = std::move((*this)[n]);
    slots_ = std::move(larger);
  }

  // What an idle connection may keep: some KB.
  static constexpr size_t slots_kept_max = 64;

  std::vector<T> slots_;
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
};

}  // namespace mrt
