// SPDX-License-Identifier: MIT
//
// A queue indexed by a number that only rises: push at the end, pop at the front, reach
// any in between. One block of memory that grows by doubling; no allocation otherwise, until
// the owner, in a quiet time, asks for it back. The owner bounds size().
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

#include "mrt/base/check.h"

namespace mrt {

template <class T>
class Ring {
 public:
  /// Number of the first element still held, and one past the last.
  uint64_t begin_number() const { return begin_; }
  uint64_t end_number() const { return begin_ + size_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool holds(uint64_t number) const { return number >= begin_ && number < end_number(); }

  T& operator[](uint64_t number) { return slots_[number & (capacity_ - 1)]; }
  const T& operator[](uint64_t number) const { return slots_[number & (capacity_ - 1)]; }
  T& front() { return (*this)[begin_]; }
  const T& front() const { return (*this)[begin_]; }

  void push(T value) {
    if (size_ == capacity_) resize(capacity_ == 0 ? 2 : capacity_ * 2);
    slots_[end_number() & (capacity_ - 1)] = std::move(value);
    ++size_;
  }
  /// One more, as T() makes it, to be filled where it is.
  T& add() {
    static_assert(!std::is_trivially_destructible_v<T>, "pop() leaves such a slot as it was");
    if (size_ == capacity_) resize(capacity_ == 0 ? 2 : capacity_ * 2);
    return slots_[(begin_ + size_++) & (capacity_ - 1)];
  }
  void pop() {
    CHECK(!empty());
    // What an element owns goes with it.
    if constexpr (!std::is_trivially_destructible_v<T>) front() = T{};
    ++begin_;
    --size_;
  }
  T take() {
    CHECK(!empty());
    T out = std::move(front());
    pop();
    return out;
  }
  /// Drops all that is held. Numbers go on rising.
  void clear() {
    while (!empty()) pop();
  }
  void give_memory_back() {
    const uint32_t wanted = empty() ? 0 : std::bit_ceil(size_);
    if (wanted < capacity_) resize(wanted);
  }

 private:
  void resize(uint32_t capacity) {
    auto slots = capacity > 0 ? std::make_unique<T[]>(capacity) : nullptr;
    for (uint64_t n = begin_; n < end_number(); ++n)
      slots[n & (capacity - 1)] = std::move((*this)[n]);
    slots_ = std::move(slots);
    capacity_ = capacity;
  }

  std::unique_ptr<T[]> slots_;
  uint64_t begin_ = 0;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;  // a power of two
};

}  // namespace mrt
