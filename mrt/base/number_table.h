// SPDX-License-Identifier: MIT
//
// From a 64-bit number to what it names: a flat hash table with linear probing, of which a look-up
// touches one or two cache lines whatever its size. It knows nothing of what it points to.
//
// 1. It is not iterated: the order of a hash table must never show.
// 2. The numbers are ours (drawn at random, or counted). Were they a peer's, the peer could choose
//    them to collide.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "mrt/base/check.h"

namespace mrt {

template <class T>
class NumberTable {
 public:
  size_t size() const { return size_; }

  /// Nothing where the number is not in the table.
  T* find(uint64_t number) const {
    if (slots_.empty()) return nullptr;
    for (size_t at = home(number);; at = next(at)) {
      const Slot& slot = slots_[at];
      if (!slot.value || slot.number == number) return slot.value;
    }
  }
  bool contains(uint64_t number) const { return find(number) != nullptr; }

  /// REQUIRES: a number that is not in the table; a value.
  void insert(uint64_t number, T* value) {
    CHECK(value && !contains(number));
    if ((size_ + 1) * 4 > slots_.size() * 3) grow();
    place(number, value);
    ++size_;
  }

  void erase(uint64_t number) {
    if (!contains(number)) return;
    size_t hole = home(number);
    while (slots_[hole].number != number) hole = next(hole);
    // Those behind it move up, so that no search ends too early: no tombstones.
    for (size_t at = next(hole); slots_[at].value; at = next(at)) {
      const size_t wanted = home(slots_[at].number);
      const size_t mask = slots_.size() - 1;
      if (((at - wanted) & mask) < ((at - hole) & mask)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
    --size_;
  }

 private:
  struct Slot {
    uint64_t number = 0;
    T* value = nullptr;  // nothing: free
  };

  // Fibonacci hashing: numbers in a row are spread over the table.
  size_t home(uint64_t number) const {
    return static_cast<size_t>((number * 0x9e37'79b9'7f4a'7c15) >> 32) & (slots_.size() - 1);
  }
  size_t next(size_t at) const { return (at + 1) & (slots_.size() - 1); }

  void place(uint64_t number, T* value) {
    size_t at = home(number);
    while (slots_[at].value) at = next(at);
    slots_[at] = {number, value};
  }
  void grow() {
    std::vector<Slot> before(slots_.empty() ? 8 : slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before)
      if (slot.value) place(slot.number, slot.value);
  }

  std::vector<Slot> slots_;  // a power of two of them, at most three quarters taken
  size_t size_ = 0;
};

}  // namespace mrt
