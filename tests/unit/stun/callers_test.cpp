// SPDX-License-Identifier: MIT
#include "stun/callers.h"

#include <doctest/doctest.h>

using namespace stun;
using mrt::Address;
using namespace std::chrono_literals;

namespace {

const mrt::Instant start{100s};

Address nth(uint32_t i) {
  return Address::v4(11, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                     static_cast<uint8_t>(i), 7700);
}

size_t count_of(auto&& allowed) {
  size_t count = 0;
  while (count < 100'000 && allowed()) ++count;
  return count;
}

}  // namespace

TEST_CASE("one address has its share of look-ups and no more, and gets it again with time") {
  Callers callers;
  CHECK(count_of([&] { return callers.may_look_up(start, nth(1)); }) == 400);
  CHECK(callers.may_look_up(start, nth(2)));
  CHECK(count_of([&] { return callers.may_look_up(start + 1s, nth(1)); }) == 100);
}

TEST_CASE("another port is the same caller, and so is another address of an IPv6 network") {
  Callers callers;
  const Address one = *Address::parse("[2001:db8::1]:1"),
                other = *Address::parse("[2001:db8::2]:2");
  CHECK(place_of(one) == place_of(other));
  CHECK(count_of([&] { return callers.may_sign(start, one); }) == 64);
  CHECK_FALSE(callers.may_sign(start, other));
  CHECK(callers.may_sign(start, *Address::parse("[2001:db8:0:1::1]:1")));
}

TEST_CASE("signatures from everywhere are bounded together") {
  Callers callers;
  uint32_t i = 0;
  CHECK(count_of([&] { return callers.may_sign(start, nth(++i)); }) == 4'000);
  CHECK(count_of([&] { return callers.may_sign(start + 1s, nth(++i)); }) == 2'000);
}

TEST_CASE("a full table forgets those who have not asked for a while") {
  Callers callers;
  mrt::Instant now = start;
  for (uint32_t i = 0; i < Callers::callers_max; ++i) {
    callers.may_look_up(now, nth(i));
    if (i % 20'000 == 0) now += 1s;
  }
  CHECK(callers.is_consistent());
  CHECK(callers.size() == Callers::callers_max);
  // Those who came with the first thousands are forgotten, so there is room.
  CHECK(callers.may_look_up(now, nth(1'000'000)));
  CHECK(callers.size() <= Callers::callers_max);
}

TEST_CASE("callers for whom there is no room share one allowance") {
  Callers callers;
  for (uint32_t i = 0; i < Callers::callers_max; ++i) callers.may_look_up(start, nth(i));
  uint32_t i = Callers::callers_max;
  CHECK(count_of([&] { return callers.may_look_up(start, nth(++i)); }) == 400);
  CHECK(callers.is_consistent());
  CHECK(callers.may_look_up(start, nth(5)));
}
