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

TEST_CASE("the order of the candidates does not change the succession") {
  mrt::Random random(mrt::seed_from(3));
  std::vector<Candidate> candidates;
  for (uint8_t i = 0; i < 50; ++i) {
    candidates.push_back({node_id(i), random.chance(0.8), milliseconds(random.below(500)),
                          random.unit() / 5, random.below(10)});
  }
  const auto expected = succession(candidates);
  for (int round = 0; round < 20; ++round) {
    std::swap(candidates[random.below(50)], candidates[random.below(50)]);
    CHECK(succession(candidates) == expected);
  }
}

TEST_CASE("reachable before unreachable, near before far, old before new") {
  const std::vector<Candidate> candidates = {
      {node_id(1), false, milliseconds(1), 0, 0},  {node_id(2), true, milliseconds(200), 0, 1},
      {node_id(3), true, milliseconds(1), 0, 3},   {node_id(4), true, milliseconds(2), 0, 2},
      {node_id(5), true, milliseconds(1), 0.2, 0},
  };
  CHECK(succession(candidates) ==
        std::vector{node_id(4), node_id(3), node_id(5), node_id(2), node_id(1)});
}

TEST_CASE("a jitter within a class reorders nobody") {
  std::vector<Candidate> candidates = {{node_id(1), true, milliseconds(3), 0, 1},
                                       {node_id(2), true, milliseconds(3), 0, 2}};
  const auto before = succession(candidates);
  for (int ms = 1; ms <= 16; ++ms) {
    candidates[0].rtt = milliseconds(ms);
    CHECK(succession(candidates) == before);
  }
  candidates[0].rtt = milliseconds(17);
  CHECK(succession(candidates) != before);
}
