// SPDX-License-Identifier: MIT
#include "mrt/base/interval_set.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace mrt {

uint64_t IntervalSet::add(uint64_t begin, uint64_t end) {
  CHECK(begin <= end);
  if (begin == end) return 0;
  // Nearly every number arrives in order: the last interval grows.
  if (!intervals_.empty() && begin >= intervals_.back().begin) {
    Interval& last = intervals_.back();
    if (begin <= last.end) {
      const uint64_t added = end > last.end ? end - last.end : 0;
      last.end = std::max(last.end, end);
      return added;
    }
    intervals_.push_back({begin, end});
    return end - begin;
  }
  auto first = std::lower_bound(intervals_.begin(), intervals_.end(), begin,
                                [](const Interval& i, uint64_t b) { return i.end < b; });
  if (first == intervals_.end() || first->begin > end) {
    intervals_.insert(first, {begin, end});
    return end - begin;
  }
  uint64_t covered = 0;
  auto last = first;
  Interval merged{begin, end};
  for (; last != intervals_.end() && last->begin <= end; ++last) {
    const uint64_t overlap_begin = std::max(begin, last->begin);
    const uint64_t overlap_end = std::min(end, last->end);
    if (overlap_begin < overlap_end) covered += overlap_end - overlap_begin;
    merged.begin = std::min(merged.begin, last->begin);
    merged.end = std::max(merged.end, last->end);
  }
  *first = merged;
  intervals_.erase(first + 1, last);
  return end - begin - covered;
}

void IntervalSet::remove(uint64_t begin, uint64_t end) {
  CHECK(begin <= end);
  if (begin == end) return;
  auto it = std::lower_bound(intervals_.begin(), intervals_.end(), begin,
                             [](const Interval& i, uint64_t b) { return i.end <= b; });
  while (it != intervals_.end() && it->begin < end) {
    const Interval old = *it;
    if (old.begin < begin && old.end > end) {
      it->end = begin;
      intervals_.insert(it + 1, {end, old.end});
      return;
    }
    if (old.begin < begin) {
      it->end = begin;
      ++it;
    } else if (old.end > end) {
      it->begin = end;
      return;
    } else {
      it = intervals_.erase(it);
    }
  }
}

bool IntervalSet::contains(uint64_t value) const { return contains(value, value + 1); }

bool IntervalSet::contains(uint64_t begin, uint64_t end) const {
  auto it = std::upper_bound(intervals_.begin(), intervals_.end(), begin,
                             [](uint64_t b, const Interval& i) { return b < i.end; });
  return it != intervals_.end() && it->begin <= begin && end <= it->end;
}

uint64_t IntervalSet::first_gap(uint64_t from) const {
  auto it = std::upper_bound(intervals_.begin(), intervals_.end(), from,
                             [](uint64_t b, const Interval& i) { return b < i.end; });
  return it != intervals_.end() && it->begin <= from ? it->end : from;
}

void IntervalSet::drop_first() {
  CHECK(!intervals_.empty());
  intervals_.erase(intervals_.begin());
}

uint64_t IntervalSet::size() const {
  uint64_t total = 0;
  for (const Interval& i : intervals_) total += i.size();
  return total;
}

}  // namespace mrt
