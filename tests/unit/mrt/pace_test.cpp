// SPDX-License-Identifier: MIT
#include "mrt/congestion.h"
#include "mrt/pacer.h"
#include "mrt/ring.h"

// Behind our own headers: doctest's CHECK is the one that is meant here.
#include <doctest/doctest.h>

#include <cmath>

using namespace mrt;
using namespace std::chrono_literals;

namespace {

Rtt rtt_of(Duration rtt) {
  Rtt out;
  out.on_sample(rtt, {});
  return out;
}

// A window's worth of packets acknowledged, sent a round trip ago.
void round_trip(Congestion& control, Instant& now, const Rtt& rtt) {
  const size_t window = control.window_bytes();
  const Instant sent = now;
  now += rtt.latest();
  for (size_t acked = 0; acked < window; acked += 1'200)
    control.on_acked({.now = now,
                      .bytes = std::min<size_t>(1'200, window - acked),
                      .in_flight_before = window,
                      .sent_at = sent,
                      .rtt = rtt.latest()},
                     rtt);
}

}  // namespace

TEST_CASE("the pacer lets a burst of ten packets go, then the rate and no more") {
  Pacer pacer;
  Instant now{1s};
  constexpr double rate = 1.2e6;  // a packet each millisecond
  size_t sent = 0;
  while (pacer.credit(now, rate, 1'200) > 0) {
    pacer.on_sent(1'200);
    ++sent;
  }
  CHECK(sent == 10);
  sent = 0;
  int wakeups = 0;
  const Instant until = now + 1s;
  while (now < until) {
    while (pacer.credit(now, rate, 1'200) > 0) {
      pacer.on_sent(1'200);
      ++sent;
    }
    const Instant next = pacer.next(rate, 1'200);
    REQUIRE(next > now);
    now = next;
    ++wakeups;
  }
  CHECK(sent >= 990);
  CHECK(sent <= 1'011);
  CHECK(wakeups <= 1'002);
}

TEST_CASE("at a high rate the pacer wakes once a millisecond, and a late timer loses nothing") {
  Pacer pacer;
  Instant now{1s};
  constexpr double rate = 1e9;
  double sent = 0;
  int wakeups = 0;
  const Instant until = now + 1s;
  while (now < until) {
    while (pacer.credit(now, rate, 9'000) > 0) {
      pacer.on_sent(9'000);
      sent += 9'000;
    }
    now = pacer.next(rate, 9'000) + 500us;
    ++wakeups;
  }
  CHECK(wakeups < 1'010);
  CHECK(sent > 0.98e9);
  CHECK(sent < 1.01e9);
}

TEST_CASE("slow start doubles the window each round trip until the first loss") {
  const auto control = make_congestion(CongestionControl::cubic, 1'200);
  const Rtt rtt = rtt_of(50ms);
  Instant now{1s};
  CHECK(control->window_bytes() == 12'000);
  round_trip(*control, now, rtt);
  CHECK(control->window_bytes() == 24'000);
  round_trip(*control, now, rtt);
  CHECK(control->window_bytes() == 48'000);
  control->on_lost({.now = now, .bytes = 1'200, .in_flight_before = 48'000, .newest_sent_at = now},
                   rtt);
  CHECK(control->window_bytes() == 33'600);  // times 0.7
  // One reduction a round trip.
  control->on_lost(
      {.now = now + 1ms, .bytes = 1'200, .in_flight_before = 48'000, .newest_sent_at = now - 1ms},
      rtt);
  CHECK(control->window_bytes() == 33'600);
}

TEST_CASE("after a loss CUBIC comes back to the old window in K seconds, then goes beyond") {
  const auto control = make_congestion(CongestionControl::cubic, 1'200);
  const Rtt rtt = rtt_of(100ms);
  Instant now{1s};
  while (control->window_bytes() < 1'000 * 1'200) round_trip(*control, now, rtt);
  const auto window_max = static_cast<double>(control->window_bytes());
  control->on_lost({.now = now, .bytes = 1'200, .newest_sent_at = now}, rtt);
  const Instant lost = now;
  now += 1ms;
  while (static_cast<double>(control->window_bytes()) < window_max * 0.999) {
    round_trip(*control, now, rtt);
    REQUIRE(now - lost < 30s);
  }
  // K = cbrt(W_max (1 - beta) / C), in packets.
  const double k = std::cbrt(window_max / 1'200 * 0.3 / 0.4);
  CHECK(to_seconds(now - lost) == doctest::Approx(k).epsilon(0.15));
  for (int i = 0; i < 80; ++i) round_trip(*control, now, rtt);
  CHECK(static_cast<double>(control->window_bytes()) > window_max * 1.05);
}

TEST_CASE("a window that is not used does not grow") {
  const auto control = make_congestion(CongestionControl::cubic, 1'200);
  const Rtt rtt = rtt_of(50ms);
  for (int i = 0; i < 100; ++i)
    control->on_acked({.now = Instant{1s},
                       .bytes = 1'200,
                       .in_flight_before = 2'400,
                       .sent_at = Instant{1s} - 50ms},
                      rtt);
  CHECK(control->window_bytes() == 12'000);
}

TEST_CASE("slow start ends without a loss when the delay rises") {
  const auto control = make_congestion(CongestionControl::cubic, 1'200);
  Instant now{1s};
  Rtt rtt = rtt_of(50ms);
  Duration delay = 50ms;
  for (int i = 0; i < 15; ++i) {
    rtt.on_sample(delay, {});
    round_trip(*control, now, rtt);
    delay += 10ms;
  }
  CHECK(control->window_bytes() < 12'000 << 8);
}

TEST_CASE("a reduction for nothing is taken back") {
  const auto control = make_congestion(CongestionControl::cubic, 1'200);
  const Rtt rtt = rtt_of(50ms);
  Instant now{1s};
  round_trip(*control, now, rtt);
  const size_t before = control->window_bytes();
  control->on_lost({.now = now, .bytes = 1'200, .newest_sent_at = now - 1ms}, rtt);
  CHECK(control->window_bytes() < before);
  control->on_lost_spuriously(now - 1ms);
  CHECK(control->window_bytes() == before);
}

TEST_CASE("a ring is a queue indexed by a number that only rises") {
  Ring<int> ring;
  uint64_t begin = 0;
  uint64_t end = 0;
  for (int step = 0; step < 2'000; ++step) {
    if (step % 3 != 2 || begin == end) {
      ring.push(static_cast<int>(end++));
    } else {
      CHECK(ring.front() == static_cast<int>(begin));
      ring.pop();
      ++begin;
    }
    REQUIRE(ring.size() == end - begin);
    REQUIRE(ring.begin_number() == begin);
    for (uint64_t n = begin; n < end; n += 7) REQUIRE(ring[n] == static_cast<int>(n));
    CHECK(!ring.holds(end));
  }
}
