// SPDX-License-Identifier: MIT
#include "mrt/base/allowance.h"

#include <doctest/doctest.h>

using namespace mrt;

TEST_CASE("an allowance gives its burst and then its rate, and what was overdrawn is waited for") {
  Allowance allowance(100, 20);
  Instant now{std::chrono::seconds(5)};
  size_t taken = 0;
  for (int ms = 0; ms < 1000; ++ms, now += std::chrono::milliseconds(1)) {
    while (!allowance.is_spent(now)) {
      allowance.spend(now);
      ++taken;
    }
    CHECK(allowance.usable_at() > now);
  }
  CHECK(taken >= 118);
  CHECK(taken <= 120);
  allowance.spend(now, 100);
  CHECK(allowance.is_spent(now + std::chrono::milliseconds(900)));
  CHECK_FALSE(allowance.is_spent(now + std::chrono::milliseconds(1100)));
}

TEST_CASE("what is given back may be spent again, and no more than the burst comes together") {
  Allowance allowance(1, 3);
  const Instant now{std::chrono::seconds(5)};
  for (int i = 0; i < 3; ++i) {
    CHECK_FALSE(allowance.is_spent(now));
    allowance.spend(now);
  }
  CHECK(allowance.is_spent(now));
  CHECK_FALSE(allowance.is_full(now + std::chrono::seconds(2)));
  allowance.give_back();
  CHECK_FALSE(allowance.is_spent(now));
  for (int i = 0; i < 10; ++i) allowance.give_back();
  CHECK(allowance.is_full(now));
  for (int i = 0; i < 3; ++i) allowance.spend(now);
  CHECK(allowance.is_spent(now));
}
