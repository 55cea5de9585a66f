// SPDX-License-Identifier: MIT
#include "mrt/deadlines.h"

#include <set>
#include <vector>

#include "mrt/base/random.h"

#include <doctest/doctest.h>

using namespace mrt;

TEST_CASE("the next deadline is the one that a sorted set has first") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    std::vector<Deadline> owners(50);
    for (size_t i = 0; i < owners.size(); ++i) owners[i].order = i;
    Deadlines<Deadline> deadlines;
    std::set<std::pair<Instant, uint64_t>> model;
    for (int step = 0; step < 3'000; ++step) {
      Deadline& owner = owners[random.below(owners.size())];
      // Few instants, so that many are due at once.
      const Instant at = random.chance(0.2) ? never : Instant(Duration(random.below(40)));
      if (owner.deadline != never) model.erase({owner.deadline, owner.order});
      if (at != never) model.insert({at, owner.order});
      deadlines.set(owner, at);
      CHECK(owner.deadline == at);
      CHECK(deadlines.holds(owner) == (at != never));
      REQUIRE(deadlines.size() == model.size());
      REQUIRE(deadlines.next() == (model.empty() ? never : model.begin()->first));
      if (!model.empty()) REQUIRE(deadlines.first().order == model.begin()->second);
    }
    while (!model.empty()) {
      REQUIRE(deadlines.first().order == model.begin()->second);
      model.erase(model.begin());
      deadlines.set(deadlines.first(), never);
    }
    CHECK(deadlines.empty());
  }
}
