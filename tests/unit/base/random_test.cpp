// SPDX-License-Identifier: MIT
#include "mrt/base/random.h"

#include <doctest/doctest.h>

#include <array>
#include <cmath>

using namespace mrt;

TEST_CASE("the generator is ChaCha20: RFC 8439's keystream for the zero key and nonce") {
  Random random(Random::Seed{});
  std::array<uint8_t, 64> first = random.array<64>();
  CHECK(to_hex(first) ==
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586");
}

TEST_CASE("the same seed gives the same values in whatever pieces, a fork others") {
  Random one(seed_from(5));
  Random two(seed_from(5));
  Bytes whole(2'000);
  Bytes pieces(2'000);
  one.fill(whole);
  for (size_t at = 0, step = 1; at < pieces.size(); at += step, step = 1 + (step * 7) % 60) {
    step = std::min(step, pieces.size() - at);
    two.fill(MutableBytes(pieces).subspan(at, step));
  }
  CHECK(whole == pieces);
  Random fork(one.fork());
  CHECK(fork.u64() != two.u64());
}

TEST_CASE("below() is even and never reaches its bound") {
  Random random(seed_from(6));
  for (const uint64_t bound : {1ull, 2ull, 3ull, 10ull, 1ull << 63, (1ull << 63) + 1}) {
    for (int i = 0; i < 200; ++i) CHECK(random.below(bound) < bound);
  }
  std::array<int, 6> counts{};
  for (int i = 0; i < 60'000; ++i) ++counts[random.below(6)];
  for (const int count : counts) CHECK(std::abs(count - 10'000) < 500);
}

TEST_CASE("between() includes both ends, chance() knows never and always") {
  Random random(seed_from(7));
  bool low = false;
  bool high = false;
  for (int i = 0; i < 1'000; ++i) {
    const Duration d = random.between(Duration(3), Duration(5));
    CHECK(d >= Duration(3));
    CHECK(d <= Duration(5));
    low |= d == Duration(3);
    high |= d == Duration(5);
    CHECK(!random.chance(0));
    CHECK(random.chance(1));
    CHECK(random.unit() < 1);
  }
  CHECK((low && high));
  CHECK(random.between(Duration(9), Duration(9)) == Duration(9));
}
