// SPDX-License-Identifier: MIT
#include "node/suspicion.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"

using namespace node;
using std::chrono::milliseconds;

static mrt::Instant at(int64_t ms) { return mrt::Instant(milliseconds(ms)); }

TEST_CASE("nobody is suspected before 300 ms, however regular it was") {
  Suspicion suspicion(at(0));
  for (int i = 1; i <= 100; ++i) suspicion.on_heard(at(20 * i));
  CHECK_FALSE(suspicion.is_suspect(at(2000 + 299)));
  CHECK(suspicion.is_suspect(at(2000 + 300)));
}

TEST_CASE("irregular arrivals allow a longer silence than regular ones, up to a bound") {
  mrt::Random random(mrt::seed_from(5));
  Suspicion regular(at(0));
  Suspicion irregular(at(0));
  int64_t now = 0;
  for (int i = 1; i <= 200; ++i) {
    regular.on_heard(at(100 * i));
    now += 20 + static_cast<int64_t>(random.below(600));
    irregular.on_heard(at(now));
  }
  CHECK(regular.silence_allowed() < milliseconds(500));
  CHECK(irregular.silence_allowed() > milliseconds(500));
  irregular.on_heard(at(now + 100'000));
  CHECK(irregular.silence_allowed() <= silence_max);
}

TEST_CASE("one that is hardly known is given a second") {
  Suspicion suspicion(at(0));
  suspicion.on_heard(at(50));
  CHECK_FALSE(suspicion.is_suspect(at(1049)));
  CHECK(suspicion.is_suspect(at(1050)));
}

TEST_CASE("three keep-alives may be missed") {
  Suspicion suspicion(at(0));
  suspicion.expect_every(milliseconds(400));
  CHECK(suspicion.silence_allowed() == milliseconds(1200));
}

TEST_CASE("what was heard at quite another pace says nothing of this one") {
  Suspicion suspicion(at(0));
  suspicion.expect_every(milliseconds(400));
  for (int i = 1; i <= 10; ++i) suspicion.on_heard(at(400 * i));
  suspicion.expect_every(milliseconds(404));  // one more member
  CHECK(suspicion.silence_allowed() == milliseconds(1212));
  suspicion.expect_every(milliseconds(100));
  CHECK(suspicion.silence_allowed() == silence_at_first);
  for (int i = 1; i <= 8; ++i) suspicion.on_heard(at(4000 + 100 * i));
  CHECK(suspicion.silence_allowed() == silence_min);
}

TEST_CASE("whoever was away suspects himself first") {
  Suspicion suspicion(at(0));
  for (int i = 1; i <= 10; ++i) suspicion.on_heard(at(100 * i));
  suspicion.forgive(at(5000));
  CHECK_FALSE(suspicion.is_suspect(at(5000)));
  CHECK(suspicion.is_suspect(at(5000) + suspicion.silence_allowed()));
}

TEST_CASE("an old arrival changes nothing") {
  Suspicion suspicion(at(0));
  suspicion.on_heard(at(500));
  const auto deadline = suspicion.deadline();
  suspicion.on_heard(at(200));
  CHECK(suspicion.deadline() == deadline);
}
