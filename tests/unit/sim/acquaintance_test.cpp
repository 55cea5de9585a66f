// SPDX-License-Identifier: MIT
#include "node/sim/acquaintance.h"

#include <doctest/doctest.h>

using node::sim::Acquaintance;

TEST_CASE("those who saw each other are no strangers, until one of them lives anew") {
  Acquaintance known;
  for (size_t seat = 0; seat < 4; ++seat) known.on_start(seat);
  CHECK(known.are_strangers({0, 1}, {2, 3}));
  known.on_seen(3, 0);
  CHECK_FALSE(known.are_strangers({0, 1}, {2, 3}));
  CHECK_FALSE(known.are_strangers({2, 3}, {0, 1}));
  CHECK(known.are_strangers({0, 1}, {2}));
  SUBCASE("the one who saw") { known.on_start(3); }
  SUBCASE("the one who was seen") { known.on_start(0); }
  CHECK(known.are_strangers({0, 1}, {2, 3}));
}
