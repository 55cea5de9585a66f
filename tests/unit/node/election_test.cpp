// SPDX-License-Identifier: MIT
#include "node/election.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mrt/base/random.h"

using namespace node;
using std::chrono::milliseconds;

static NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes[0] = number;
  return id;
}

static Grade grade(milliseconds rtt, double loss = 0, milliseconds late = {}) {
  Grade out;
  out.measure_rtt(rtt);
  out.measure_loss(loss);
  out.measure_lateness(late);
  return out;
}

TEST_CASE("the order of the candidates does not change the succession") {
  mrt::Random random(mrt::seed_from(3));
  std::vector<Candidate> candidates;
  for (uint8_t i = 0; i < 50; ++i) {
    candidates.push_back(
        {node_id(i), random.chance(0.8),
         grade(milliseconds(random.below(500)), random.unit() / 5, milliseconds(random.below(200))),
         random.below(10)});
  }
  const auto expected = succession(candidates);
  for (int round = 0; round < 20; ++round) {
    std::swap(candidates[random.below(50)], candidates[random.below(50)]);
    CHECK(succession(candidates) == expected);
  }
}

TEST_CASE("reachable before unreachable, near before far, old before new") {
  const std::vector<Candidate> candidates = {
      {node_id(1), false, grade(milliseconds(1)), 0},
      {node_id(2), true, grade(milliseconds(200)), 1},
      {node_id(3), true, grade(milliseconds(1)), 3},
      {node_id(4), true, grade(milliseconds(2)), 2},
      {node_id(5), true, grade(milliseconds(1), 0.05), 0},
      {node_id(6), true, {}, 0},
  };
  CHECK(succession(candidates) ==
        std::vector{node_id(4), node_id(3), node_id(5), node_id(2), node_id(6), node_id(1)});
}

TEST_CASE("whom anybody can call comes before who is nearer, and behind nobody who is reached") {
  const std::vector<Candidate> candidates = {
      {node_id(1), true, grade(milliseconds(1)), 0},
      {node_id(2), true, grade(milliseconds(200)), 1, true},
      {node_id(3), false, grade(milliseconds(1)), 0, true},
      {node_id(4), true, {}, 0, true},
  };
  CHECK(succession(candidates) == std::vector{node_id(2), node_id(1), node_id(4), node_id(3)});
}

TEST_CASE("a busy host comes behind an idle one, however long it was here") {
  const std::vector<Candidate> candidates = {
      {node_id(1), true, grade(milliseconds(1), 0, milliseconds(30)), 0},
      {node_id(2), true, grade(milliseconds(1), 0, milliseconds(2)), 1},
      {node_id(3), true, grade(milliseconds(1), 0, milliseconds(300)), 0},
  };
  CHECK(succession(candidates) == std::vector{node_id(2), node_id(1), node_id(3)});
}

TEST_CASE("what lies on the edge of a class moves nobody back and forth") {
  std::vector<Candidate> candidates = {{node_id(1), true, grade(milliseconds(3)), 1},
                                       {node_id(2), true, grade(milliseconds(3)), 2}};
  const auto before = succession(candidates);
  for (int ms = 1; ms <= 20; ++ms) {
    candidates[0].grade.measure_rtt(milliseconds(ms));
    CHECK(succession(candidates) == before);
  }
  candidates[0].grade.measure_rtt(milliseconds(21));
  const auto after = succession(candidates);
  CHECK(after != before);
  for (int ms = 21; ms >= 13; --ms) {
    candidates[0].grade.measure_rtt(milliseconds(ms));
    CHECK(succession(candidates) == after);
  }
  candidates[0].grade.measure_rtt(milliseconds(12));
  CHECK(succession(candidates) == before);
}
