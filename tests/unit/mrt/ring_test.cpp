// SPDX-License-Identifier: MIT
#include "mrt/ring.h"

#include <memory>

#include <doctest/doctest.h>

using namespace mrt;

TEST_CASE("a ring lets go of what it gave out, and its numbers go on") {
  Ring<std::shared_ptr<int>> ring;
  const auto value = std::make_shared<int>(7);
  for (int i = 0; i < 10; ++i) ring.push(value);
  CHECK(value.use_count() == 11);
  ring.pop();
  CHECK(ring.take() == value);
  CHECK(value.use_count() == 9);
  CHECK(ring.begin_number() == 2);
  ring.give_memory_back();
  for (uint64_t n = 2; n < 10; ++n) CHECK(ring[n] == value);
  ring.clear();
  CHECK(value.use_count() == 1);
  ring.give_memory_back();
  CHECK(ring.end_number() == 10);
  ring.push(value);
  CHECK(ring[10] == value);
  CHECK(ring.size() == 1);
}
