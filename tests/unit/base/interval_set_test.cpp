// SPDX-License-Identifier: MIT
#include "mrt/base/interval_set.h"

#include <doctest/doctest.h>

#include <bitset>

#include "mrt/base/random.h"

using namespace mrt;

namespace {

constexpr size_t universe = 128;
using Model = std::bitset<universe>;

uint64_t model_add(Model& model, uint64_t begin, uint64_t end) {
  uint64_t added = 0;
  for (uint64_t n = begin; n < end; ++n) {
    added += model[n] ? 0 : 1;
    model[n] = true;
  }
  return added;
}

uint64_t model_gap(const Model& model, uint64_t from) {
  while (from < universe && model[from]) ++from;
  return from;
}

}  // namespace

TEST_CASE("an interval set behaves like a set of bits") {
  Random random(seed_from(1));
  for (int round = 0; round < 200; ++round) {
    IntervalSet set;
    Model model;
    for (int step = 0; step < 100; ++step) {
      const uint64_t begin = random.below(universe);
      const uint64_t end = begin + random.below(universe - begin + 1);
      switch (random.below(3)) {
        case 0:
          REQUIRE(set.add(begin, end) == model_add(model, begin, end));
          break;
        case 1:
          REQUIRE(set.add(begin, begin + 1) == model_add(model, begin, begin + 1));
          break;
        default:
          set.remove(begin, end);
          for (uint64_t n = begin; n < end; ++n) model[n] = false;
      }
      REQUIRE(set.size() == model.count());
      REQUIRE(set.first_gap(begin) == model_gap(model, begin));
      REQUIRE(set.contains(begin) == model[begin]);
      if (end > begin) REQUIRE(set.contains(begin, end) == (model_gap(model, begin) >= end));
      // Sorted, disjoint and never adjacent.
      const auto& intervals = set.intervals();
      for (size_t i = 0; i < intervals.size(); ++i) {
        REQUIRE(intervals[i].begin < intervals[i].end);
        if (i > 0) REQUIRE(intervals[i - 1].end < intervals[i].begin);
      }
    }
  }
}

TEST_CASE("an interval set reaches to the largest numbers") {
  IntervalSet set;
  CHECK(set.add(0, UINT64_MAX) == UINT64_MAX);
  CHECK(set.interval_count() == 1);
  set.remove(5, UINT64_MAX - 5);
  CHECK(set.front() == Interval{0, 5});
  CHECK(set.back() == Interval{UINT64_MAX - 5, UINT64_MAX});
  set.drop_first();
  CHECK(!set.contains(0));
  CHECK(set.add(3, 3) == 0);
}
