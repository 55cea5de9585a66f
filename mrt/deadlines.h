// SPDX-License-Identifier: MIT
//
// Whose deadline is next: a heap of four children a node, in one block of memory. T keeps its own
// `deadline` and, for the heap, `deadline_place`.
//
// 1. Those that are not armed cost nothing; to move a deadline costs the logarithm of the armed.
// 2. Of equal deadlines the one with the smaller `order` is first: the same in every run.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mrt/base/check.h"
#include "mrt/base/time.h"

namespace mrt {

/// What an element of Deadlines holds.
struct Deadline {
  Instant deadline = never;
  uint64_t order = 0;         // of those that are due at once
  size_t deadline_place = 0;  // in the heap, while the deadline is not never
};

template <class T>
class Deadlines {
 public:
  bool empty() const { return heap_.empty(); }
  size_t size() const { return heap_.size(); }
  Instant next() const { return heap_.empty() ? never : heap_.front().at; }
  /// REQUIRES: not empty.
  T& first() const { return *heap_.front().owner; }
  bool holds(const T& owner) const {
    return owner.deadline_place < heap_.size() && heap_[owner.deadline_place].owner == &owner &&
           heap_[owner.deadline_place].at == owner.deadline;
  }

  /// `never` takes it out.
  void set(T& owner, Instant at) {
    const Instant before = owner.deadline;
    if (at == before) return;
    owner.deadline = at;
    if (before == never) {
      heap_.push_back({at, owner.order, &owner});
      rise(heap_.size() - 1);
    } else if (at == never) {
      take_out(owner.deadline_place);
    } else {
      heap_[owner.deadline_place].at = at;
      at < before ? rise(owner.deadline_place) : sink(owner.deadline_place);
    }
  }

 private:
  struct Node {
    Instant at;
    uint64_t order;
    T* owner;
    bool operator<(const Node& other) const {
      return at != other.at ? at < other.at : order < other.order;
    }
  };
  static constexpr size_t children = 4;

  void put(size_t place, const Node& node) {
    heap_[place] = node;
    node.owner->deadline_place = place;
  }
  void rise(size_t place) {
    const Node node = heap_[place];
    while (place > 0) {
      const size_t parent = (place - 1) / children;
      if (!(node < heap_[parent])) break;
      put(place, heap_[parent]);
      place = parent;
    }
    put(place, node);
  }
  void sink(size_t place) {
    const Node node = heap_[place];
    for (;;) {
      const size_t first = place * children + 1;
      if (first >= heap_.size()) break;
      const auto begin = heap_.begin() + static_cast<ptrdiff_t>(first);
      const auto end = begin + static_cast<ptrdiff_t>(std::min(children, heap_.size() - first));
      const auto least = std::min_element(begin, end);
      if (!(*least < node)) break;
      put(place, *least);
      place = static_cast<size_t>(least - heap_.begin());
    }
    put(place, node);
  }
  void take_out(size_t place) {
    CHECK(place < heap_.size());
    const Node last = heap_.back();
    heap_.pop_back();
    if (place == heap_.size()) return;
    heap_[place] = last;
    rise(place);
    sink(last.owner->deadline_place);
  }

  std::vector<Node> heap_;
};

}  // namespace mrt
