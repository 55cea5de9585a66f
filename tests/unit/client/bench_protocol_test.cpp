// SPDX-License-Identifier: MIT
#include "client/bench/protocol.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace client {

using mrt::Bytes;
using mrt::ByteView;

static constexpr std::array<uint8_t, 16> nonce{1, 2, 3};
static const mrt::Instant at{std::chrono::seconds(77)};

/// All that `answer` says to `bytes`, given in pieces of `step`.
static Bytes told(BenchAnswer& answer, ByteView bytes, size_t step) {
  Bytes out;
  while (!bytes.empty()) {
    const size_t size = std::min(step, bytes.size());
    REQUIRE(answer.on_bytes(at, bytes.first(size), out));
    bytes = bytes.subspan(size);
  }
  return out;
}

static Bytes joined(Bytes head, const Bytes& rest) {
  head.insert(head.end(), rest.begin(), rest.end());
  return head;
}

TEST_CASE("bulk is counted and not answered, however it is cut") {
  for (const size_t step : {1u, 7u, 1000u}) {
    BenchAnswer answer("boot");
    CHECK(told(answer, Bytes(501, 'B'), step).empty());
    CHECK(answer.is_bulk());
    CHECK(answer.bulk_bytes() == 500);
    CHECK(answer.messages() == 0);
  }
}

TEST_CASE("each message comes back, followed by when it came, however it is cut") {
  const Bytes sent = joined(ping_head(3, nonce, "boot"), {1, 2, 3, 4, 5, 6, 7});
  const Bytes expected =
      joined(joined({1, 1, 2, 3}, time_bytes(at)), joined(joined({4, 5, 6}, time_bytes(at)), {7}));
  for (const size_t step : {1u, 2u, 5u, 36u, 37u, 38u, 1000u}) {
    CAPTURE(step);
    BenchAnswer answer("boot");
    CHECK(told(answer, sent, step) == expected);
    CHECK(answer.messages() == 2);
    CHECK(time_of(ByteView(expected).subspan(4, 8)) == at);
  }
}

TEST_CASE("another host's clock is not told") {
  for (const char* own : {"other boot", ""}) {
    BenchAnswer answer(own);
    const Bytes sent = joined(ping_head(1, nonce, "boot"), {9});
    CHECK(told(answer, sent, 100) == Bytes{0, 9, 0, 0, 0, 0, 0, 0, 0, 0});
  }
  // Two hosts without a boot id are not one host.
  BenchAnswer answer("");
  CHECK(told(answer, ping_head(1, nonce, ""), 100) == Bytes{0});
}

TEST_CASE("the head does not show the boot id, and differs from call to call") {
  const Bytes head = ping_head(1, nonce, "boot");
  const Bytes word = {'b', 'o', 'o', 't'};
  CHECK(std::search(head.begin(), head.end(), word.begin(), word.end()) == head.end());
  const Bytes other = ping_head(1, {4}, "boot");
  CHECK_FALSE(std::equal(head.end() - 16, head.end(), other.end() - 16));
}

TEST_CASE("whoever speaks no bench is told so at the first byte that is wrong") {
  Bytes out;
  CHECK_FALSE(BenchAnswer("boot").on_bytes(at, Bytes{'X'}, out));
  for (const uint32_t size : {0u, bench_ping_bytes_max + 1, UINT32_MAX}) {
    BenchAnswer answer("boot");
    CHECK_FALSE(answer.on_bytes(at, ping_head(size, nonce, "boot"), out));
  }
  CHECK(out.empty());
}

TEST_CASE("an answer is at most nine times what was asked, and a byte") {
  BenchAnswer answer("boot");
  Bytes out;
  REQUIRE(answer.on_bytes(at, ping_head(1, nonce, "boot"), out));
  out.clear();
  REQUIRE(answer.on_bytes(at, Bytes(4096), out));
  CHECK(out.size() == 9 * 4096);
}

TEST_CASE("echoes tell when each message came, however they are cut") {
  BenchAnswer answer("boot");
  const Bytes said = told(answer, joined(ping_head(3, nonce, "boot"), Bytes(9)), 100);
  for (const size_t step : {1u, 2u, 11u, 12u, 13u, 1000u}) {
    CAPTURE(step);
    BenchEchoes echoes(3);
    CHECK_FALSE(echoes.shared());
    std::vector<mrt::Instant> received;
    for (ByteView rest = said; !rest.empty();) {
      const size_t size = std::min(step, rest.size());
      echoes.on_bytes(rest.first(size), received);
      rest = rest.subspan(size);
    }
    CHECK(echoes.shared() == true);
    CHECK(received == std::vector(3, at));
  }
}

}  // namespace client
