// SPDX-License-Identifier: MIT
#include "mrt/base/number_table.h"

#include <map>

#include "mrt/base/random.h"

#include <doctest/doctest.h>

using namespace mrt;

TEST_CASE("a table of numbers finds what a map finds, whatever comes and goes") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    std::map<uint64_t, int*> model;
    NumberTable<int> table;
    std::array<int, 64> values{};
    // Few different numbers, so that they collide and come back; some in a row, some far apart.
    const uint64_t spread = seed % 2 == 0 ? 1 : uint64_t{1} << 40;
    for (int step = 0; step < 4'000; ++step) {
      const uint64_t number = random.below(200) * spread;
      if (model.contains(number)) {
        table.erase(number);
        model.erase(number);
      } else if (random.chance(step < 2'000 ? 0.7 : 0.3)) {
        int* value = &values[random.below(values.size())];
        table.insert(number, value);
        model[number] = value;
      } else {
        table.erase(number);  // does nothing
      }
      REQUIRE(table.size() == model.size());
      const uint64_t asked = random.below(200) * spread;
      REQUIRE(table.find(asked) == (model.contains(asked) ? model[asked] : nullptr));
    }
    for (const auto& [number, value] : model) CHECK(table.find(number) == value);
  }
}

TEST_CASE("an empty table finds nothing") {
  NumberTable<int> table;
  CHECK(!table.contains(0));
  table.erase(0);
  CHECK(table.size() == 0);
}
