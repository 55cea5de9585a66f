// SPDX-License-Identifier: MIT
#include "node/sim/link.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

using namespace std::chrono_literals;
using node::sim::Datagram;
using node::sim::Duration;
using node::sim::Instant;
using node::sim::Link;
using node::sim::LinkSpec;

namespace {

constexpr Instant start{};

Datagram numbered(uint16_t number, size_t size = 100) {
  Datagram datagram;
  datagram.bytes.assign(size, 0);
  mrt::Writer(datagram.bytes).u16(number);
  return datagram;
}

struct Arrival {
  Instant at;
  uint16_t number;
  size_t size;
  bool operator==(const Arrival&) const = default;
};

/// All that comes out of a link, in order.
std::vector<Arrival> drain(Link& link) {
  std::vector<Arrival> out;
  while (link.next() != mrt::never) {
    const Instant at = link.next();
    const auto datagram = link.poll(at);
    REQUIRE(datagram);
    out.push_back({at, mrt::Reader(datagram->bytes).u16(), datagram->bytes.size()});
  }
  return out;
}

std::vector<Arrival> send_evenly(Link& link, uint16_t count, Duration gap, size_t size = 100) {
  for (uint16_t i = 0; i < count; ++i) link.send(start + i * gap, numbered(i, size));
  return drain(link);
}

}  // namespace

TEST_CASE("a perfect link gives everything at once and in order") {
  Link link({}, mrt::seed_from(1));
  const auto out = send_evenly(link, 10, 1ms);
  REQUIRE(out.size() == 10);
  for (uint16_t i = 0; i < 10; ++i) CHECK(out[i] == Arrival{start + i * 1ms, i, 100});
  CHECK(link.next() == mrt::never);
  CHECK_FALSE(link.poll(start + 1h));
}

TEST_CASE("nothing arrives before its time") {
  Link link({.delay = 20ms}, mrt::seed_from(1));
  link.send(start, numbered(1));
  CHECK_FALSE(link.poll(start + 19ms));
  CHECK(link.next() == start + 20ms);
  CHECK(link.poll(start + 20ms));
}

TEST_CASE("jitter delays within its bound and keeps the order") {
  Link link({.delay = 20ms, .jitter = 10ms}, mrt::seed_from(2));
  const auto out = send_evenly(link, 500, 1ms);
  REQUIRE(out.size() == 500);
  Duration shortest = 1h;
  for (uint16_t i = 0; i < 500; ++i) {
    CHECK(out[i].number == i);
    const Duration took = out[i].at - (start + i * 1ms);
    CHECK(took >= 20ms);
    CHECK(took <= 30ms);
    shortest = std::min(shortest, took);
  }
  CHECK(shortest < 25ms);
}

TEST_CASE("a rate spaces datagrams and its full queue drops the tail") {
  // 1,000 bytes take 1 ms; the queue holds ten of them beside the one being sent.
  Link link({.rate_bytes_per_s = 1'000'000, .queue_bytes = 10'000}, mrt::seed_from(1));
  const auto out = send_evenly(link, 20, 0ms, 1'000);
  REQUIRE(out.size() == 11);
  for (uint16_t i = 0; i < 11; ++i) CHECK(out[i] == Arrival{start + (i + 1) * 1ms, i, 1'000});
  CHECK(link.counters().dropped == 9);
}

TEST_CASE("random loss takes its share, whole datagrams and no others") {
  Link link({.loss = 0.3}, mrt::seed_from(3));
  const auto out = send_evenly(link, 10'000, 1us);
  CHECK(out.size() == 10'000 - link.counters().lost);
  CHECK(link.counters().lost > 2'800);
  CHECK(link.counters().lost < 3'200);
  CHECK(std::is_sorted(out.begin(), out.end(),
                       [](const auto& a, const auto& b) { return a.number < b.number; }));
}

TEST_CASE("burst loss has the share and the mean length that were asked for") {
  Link link({.burst_loss = 0.2, .burst_length = 8}, mrt::seed_from(4));
  const auto out = send_evenly(link, 60'000, 1us);
  const double lost = static_cast<double>(link.counters().lost);
  CHECK(lost / 60'000 == doctest::Approx(0.2).epsilon(0.1));
  int bursts = 0;
  for (size_t i = 1; i < out.size(); ++i) bursts += out[i].number != out[i - 1].number + 1;
  CHECK(lost / bursts == doctest::Approx(8).epsilon(0.1));
}

TEST_CASE("duplicates and late ones are the same bytes") {
  Link link({.duplicate = 0.2, .reorder = 0.2, .reorder_by = 5ms}, mrt::seed_from(5));
  auto out = send_evenly(link, 1'000, 1ms);
  CHECK(out.size() == 1'000 + link.counters().duplicated);
  CHECK(link.counters().duplicated > 150);
  CHECK(link.counters().reordered > 150);
  const auto by_number = [](const auto& a, const auto& b) { return a.number < b.number; };
  CHECK_FALSE(std::is_sorted(out.begin(), out.end(), by_number));
  std::stable_sort(out.begin(), out.end(), by_number);
  for (uint16_t i = 0; i < 1'000; ++i) {
    CHECK(std::binary_search(out.begin(), out.end(), Arrival{{}, i, 0}, by_number));
  }
}

TEST_CASE("corruption flips bits or cuts short, and never grows a datagram") {
  Link link({.corrupt = 1}, mrt::seed_from(6));
  int flipped = 0;
  int cut_short = 0;
  const mrt::Bytes sent(100, 0x55);
  for (int i = 0; i < 200; ++i) {
    link.send(start, {{}, mrt::Ecn::not_ect, sent});
    const auto got = link.poll(start);
    REQUIRE(got);
    CHECK(got->bytes.size() <= 100);
    cut_short += got->bytes.size() < 100;
    flipped += got->bytes.size() == 100 && got->bytes != sent;
  }
  CHECK(cut_short > 20);
  CHECK(flipped > 100);
  link.send(start, {});
  CHECK(link.poll(start)->bytes.empty());
}

TEST_CASE("a cut link takes nothing; what was under way arrives unless it is cleared") {
  Link link({.delay = 10ms}, mrt::seed_from(1));
  link.send(start, numbered(1));
  link.change({.delay = 10ms, .cut = true});
  link.send(start, numbered(2));
  CHECK(drain(link).size() == 1);
  CHECK(link.counters().cut == 1);
  link.change({.delay = 10ms});
  link.send(start + 10ms, numbered(3));
  link.clear();
  CHECK(link.next() == mrt::never);
}

TEST_CASE("what is under way is bounded") {
  Link link({.delay = 1s}, mrt::seed_from(1));
  for (size_t i = 0; i < Link::in_flight_max + 10; ++i) link.send(start, {});
  CHECK(link.counters().dropped == 10);
}

TEST_CASE("one seed is one fate, another seed another") {
  const LinkSpec bad{.delay = 5ms,
                     .jitter = 5ms,
                     .loss = 0.1,
                     .burst_loss = 0.1,
                     .duplicate = 0.1,
                     .reorder = 0.1,
                     .corrupt = 0.1};
  const auto fate = [&](uint64_t seed) {
    Link link(bad, mrt::seed_from(seed));
    return send_evenly(link, 200, 1ms);
  };
  CHECK(fate(1) == fate(1));
  CHECK(fate(1) != fate(2));
}
