// SPDX-License-Identifier: MIT
#include "client/progress.h"

#include <doctest/doctest.h>

#include "client/text.h"
#include "unit/client/events_for_tests.h"

namespace client {

TEST_CASE("percent is 100 only when all is there, also of sizes near 2^64") {
  CHECK(percent(0, 100) == 0);
  CHECK(percent(999, 1000) == 99);
  CHECK(percent(1000, 1000) == 100);
  CHECK(percent(0, 0) == 100);
  CHECK(percent(UINT64_MAX / 2, UINT64_MAX) == 50);
  CHECK(percent(5, 4) == 100);
}

TEST_CASE("the time left is rounded up and not guessed without a rate") {
  CHECK(time_left(0, 100, 0).empty());
  CHECK(time_left(100, 100, 10).empty());
  CHECK(time_left(0, 100, 30) == "4.0 s left");
  CHECK(time_left(0, 125'000, 1'000) == "2:05 min left");
  CHECK(time_left(0, UINT64_MAX, 1).empty());
}

TEST_CASE("each download has one line, in the order in which they began") {
  Progress progress;
  progress.on_progress({"b.bin", hash_of(2), 10, 100, 10, node::PathKind::relayed});
  progress.on_progress({"a.bin", hash_of(1), 50, 100, 10, node::PathKind::relayed});
  progress.on_progress({"b.bin", hash_of(2), 20, 100, 10, node::PathKind::relayed});
  const auto lines = progress.lines(120);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("b.bin"));
  CHECK(lines[0].find("[====                ]  20%  100 B  10 B/s  8.0 s left") !=
        std::string::npos);
  CHECK(lines[1].starts_with("a.bin"));
  progress.on_end(hash_of(2));
  CHECK(progress.lines(120).size() == 1);
  progress.on_end(hash_of(2));
  progress.on_end(hash_of(1));
  CHECK(progress.empty());
}

TEST_CASE("lines fit the terminal, however narrow it and hostile the name is") {
  use_utf8_locale();
  for (const std::string& name : hostile_texts) {
    Progress progress;
    progress.on_progress({name + std::string(300, 'x'), hash_of(1), 1, 3, 1, {}});
    for (size_t width = 10; width < 120; ++width) {
      for (const std::string& line : progress.lines(width)) CHECK(columns(line) <= width);
    }
  }
}

TEST_CASE("many downloads do not push the talk away") {
  Progress progress;
  for (uint8_t i = 0; i < 20; ++i) progress.on_progress({"f", hash_of(i), 1, 3, 1, {}});
  const auto lines = progress.lines(80);
  REQUIRE(lines.size() == Progress::bars_max + 1);
  CHECK(lines.back() == "and 15 more");
}

}  // namespace client
