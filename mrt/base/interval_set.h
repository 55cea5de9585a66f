// SPDX-License-Identifier: MIT
//
// A set of unsigned integers as sorted, disjoint, non-adjacent half-open intervals:
// received packet numbers, acknowledged bytes, finished streams. The owner bounds
// interval_count(); every operation costs at most the number of intervals touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mrt {

struct Interval {
  uint64_t begin;
  uint64_t end;  // one past the last
  bool operator==(const Interval&) const = default;
  uint64_t size() const { return end - begin; }
};

class IntervalSet {
 public:
  /// Adds [begin, end); returns how many numbers were new. REQUIRES: begin <= end.
  uint64_t add(uint64_t begin, uint64_t end);
  /// Takes [begin, end) out. REQUIRES: begin <= end.
  void remove(uint64_t begin, uint64_t end);
  bool contains(uint64_t value) const;
  bool contains(uint64_t begin, uint64_t end) const;
  /// The smallest number at or above `from` that is not in the set.
  uint64_t first_gap(uint64_t from) const;
  void drop_first();
  void clear() { intervals_.clear(); }

  bool empty() const { return intervals_.empty(); }
  size_t interval_count() const { return intervals_.size(); }
  /// How many numbers are in the set.
  uint64_t size() const;
  Interval front() const { return intervals_.front(); }
  Interval back() const { return intervals_.back(); }
  const std::vector<Interval>& intervals() const { return intervals_; }

 private:
  std::vector<Interval> intervals_;
};

}  // namespace mrt
