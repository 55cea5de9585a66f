// SPDX-License-Identifier: MIT
#include "mrt/sender.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

using namespace mrt;
using namespace std::chrono_literals;

namespace {

constexpr Duration ack_delay = 25ms;

// A sender, and the numbers that it has given out.
struct Bench {
  explicit Bench(uint64_t seed = 1) : sender(seed_from(seed), CongestionControl::cubic, 1'200) {}

  uint64_t send(size_t bytes = 1'000, bool eliciting = true) {
    const uint64_t number = sender.next_number().value;
    const std::vector<SentFrame> frames{
        {SentFrame::Kind::data, false, static_cast<uint32_t>(bytes), {}, number}};
    sender.on_sent(now, {.bytes = bytes, .ack_eliciting = eliciting}, frames);
    numbers.push_back(number);
    return number;
  }

  const SendOutcome& ack(const std::vector<uint64_t>& acked, Duration delay = {}) {
    IntervalSet set;
    for (const uint64_t n : acked) set.add(n, n + 1);
    buffer = Bytes(2'000);
    Writer out(buffer);
    write_ack(out, set, delay);
    Reader in(out.written());
    frame = *read_frame(in);
    return sender.on_ack(now, std::get<AckFrame>(*frame), ack_delay);
  }

  static std::vector<uint64_t> of(const std::vector<SentFrame>& frames) {
    std::vector<uint64_t> out;
    for (const SentFrame& f : frames) out.push_back(f.offset);
    return out;
  }

  Instant now{1s};
  Sender sender;
  std::vector<uint64_t> numbers;
  Bytes buffer;
  std::optional<Frame> frame;
};

}  // namespace

TEST_CASE("packets three behind an acknowledged one are lost, nearer ones not yet") {
  Bench b;
  for (int i = 0; i < 10; ++i) b.send();
  b.now += 20ms;
  const auto& outcome = b.ack({b.numbers[5]});
  CHECK(b.of(outcome.acked) == std::vector<uint64_t>{b.numbers[5]});
  CHECK(b.of(outcome.lost) == std::vector<uint64_t>{b.numbers[0], b.numbers[1], b.numbers[2]});
  CHECK(b.sender.in_flight_bytes() == 6'000);
  // The others by time: 9/8 of the round trip.
  const Instant due = b.sender.loss_at(ack_delay);
  CHECK(due == Instant{1s} + 22'500us);
  b.now = due;
  CHECK(b.of(b.sender.on_loss_timer(b.now).lost) ==
        std::vector<uint64_t>{b.numbers[3], b.numbers[4]});
  CHECK(b.sender.is_consistent());
}

TEST_CASE("the probe time-out doubles to its cap and an ack resets it") {
  Bench b;
  b.sender.on_handshake_rtt(40ms);
  b.send();
  // RFC 9002 section 6.2.1: 40 + 4 * 20 + 25 ms.
  Duration expected = 145ms;
  Instant since = b.now;
  for (int i = 0; i < 12; ++i) {
    CHECK(b.sender.loss_at(ack_delay) == since + std::min<Duration>(expected, 2s));
    b.now = b.sender.loss_at(ack_delay);
    CHECK(b.sender.on_loss_timer(b.now).lost.empty());  // a probe, not a loss
    CHECK(b.sender.probes_wanted() == 2);
    CHECK(b.of(b.sender.oldest_outstanding(0)).front() == b.numbers[0]);
    b.send();
    b.send();
    CHECK(b.sender.probes_wanted() == 0);
    since = b.now;
    // From three packets on, two come, and the peer acknowledges two at once: 120 ms doubled.
    expected = (i == 0 ? 120ms : expected) * 2;
  }
  b.ack({b.numbers.back()});
  CHECK(b.sender.probe_backoff() == 0);
}

TEST_CASE("nothing outstanding: no timer; ack-only packets are not outstanding") {
  Bench b;
  CHECK(b.sender.loss_at(ack_delay) == never);
  b.send(50, false);
  CHECK(b.sender.loss_at(ack_delay) == never);
  CHECK(b.sender.in_flight_bytes() == 0);
  b.send();
  CHECK(b.sender.loss_at(ack_delay) != never);
  b.ack({b.numbers.back()});
  CHECK(b.sender.in_flight_bytes() == 0);
}

TEST_CASE("a lost packet that arrives after all is acked again, and the window comes back") {
  Bench b;
  for (int i = 0; i < 10; ++i) b.send();
  const size_t window = b.sender.congestion_window();
  b.now += 20ms;
  b.ack({b.numbers[5]});
  CHECK(b.sender.packets_lost() == 3);
  CHECK(b.sender.congestion_window() < window);
  b.now += 1ms;
  const auto& late = b.ack({b.numbers[0], b.numbers[1], b.numbers[2]});
  CHECK(b.of(late.acked).size() == 3);
  CHECK(b.sender.packets_lost_spuriously() == 3);
  CHECK(b.sender.congestion_window() >= window);
  CHECK(b.sender.in_flight_bytes() == 6'000);
  CHECK(b.sender.is_consistent());
}

TEST_CASE("round-trip samples follow RFC 9002: only new largest ones, less the peer's delay") {
  Bench b;
  b.send();
  b.now += 100ms;
  b.ack({b.numbers[0]}, 10ms);
  CHECK(b.sender.rtt().smoothed() == 100ms);  // the first sample is taken whole
  CHECK(b.sender.rtt().variance() == 50ms);
  b.send();
  b.now += 180ms;
  b.ack({b.numbers[1]}, 20ms);
  CHECK(b.sender.rtt().smoothed() == 107'500us);  // 7/8 * 100 + 1/8 * 160
  CHECK(b.sender.rtt().variance() == 52'500us);   // 3/4 * 50 + 1/4 * 60
  CHECK(b.sender.rtt().least() == 100ms);
  b.now += 500ms;
  b.ack({b.numbers[1]});
  CHECK(b.sender.rtt().latest() == 180ms);
}

TEST_CASE("whatever is acknowledged in whatever order, records and bytes add up") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    Bench b(seed);
    std::map<uint64_t, size_t> outstanding;  // the model
    std::set<uint64_t> lost;
    std::set<uint64_t> acked;
    for (int step = 0; step < 400; ++step) {
      b.now += std::chrono::microseconds(random.below(10'000));
      if (random.chance(0.6)) {
        const size_t bytes = 100 + random.below(1'000);
        outstanding[b.send(bytes)] = bytes;
      } else if (b.sender.loss_at(ack_delay) <= b.now) {
        for (const uint64_t n : b.of(b.sender.on_loss_timer(b.now).lost)) {
          CHECK(outstanding.erase(n) == 1);
          CHECK(lost.insert(n).second);
        }
      } else if (!b.numbers.empty()) {
        std::vector<uint64_t> ack;
        for (int i = 0; i < 5; ++i) {
          const size_t span = std::min<size_t>(b.numbers.size(), 40);
          ack.push_back(b.numbers[b.numbers.size() - 1 - random.below(span)]);
        }
        const auto& outcome = b.ack(ack);
        REQUIRE(!outcome.violation);
        for (const uint64_t n : b.of(outcome.acked)) {
          CHECK((outstanding.erase(n) == 1 || lost.erase(n) == 1));
          CHECK(acked.insert(n).second);
        }
        for (const uint64_t n : b.of(outcome.lost)) {
          CHECK(outstanding.erase(n) == 1);
          CHECK(lost.insert(n).second);
        }
      }
      size_t bytes = 0;
      for (const auto& [n, size] : outstanding) bytes += size;
      REQUIRE(b.sender.in_flight_bytes() == bytes);
      REQUIRE(b.sender.anything_outstanding() == !outstanding.empty());
      REQUIRE(b.sender.is_consistent());
    }
  }
}

TEST_CASE("numbers rise, some are left out, and acking one of those is a violation") {
  Bench b;
  std::set<uint64_t> sent;
  for (int i = 0; i < 5'000; ++i) {
    CHECK(sent.insert(b.send()).second);
    if (i % 10 == 9) b.ack({b.numbers.begin() + i - 9, b.numbers.end()});
  }
  const uint64_t holes = *sent.rbegin() + 1 - sent.size();
  CHECK(holes >= 4);
  CHECK(holes <= 80);
  for (int i = 0; i < 5'000; ++i) {
    const uint64_t before = b.send();
    const uint64_t hole = before + 1;
    if (b.sender.next_number().value == hole) continue;
    b.send();
    CHECK(b.ack({hole}).violation);
    return;
  }
  FAIL("no number was left out");
}

TEST_CASE("persistent congestion takes the window to its least, a single loss does not") {
  Bench b;
  b.send();
  b.now += 10ms;
  b.ack({b.numbers[0]});
  const size_t start = b.sender.congestion_window();
  for (int i = 0; i < 5; ++i) b.send();
  b.now += 10ms;
  b.ack({b.numbers.back()});
  CHECK(b.sender.congestion_window() >= start / 2);
  CHECK(b.sender.congestion_window() < start);
  // Seconds of silence, every packet lost.
  for (int i = 0; i < 20; ++i) {
    b.send();
    b.now += 100ms;
  }
  b.send();
  b.now += 10ms;
  b.ack({b.numbers.back()});
  CHECK(b.sender.congestion_window() == 4 * 1'200 + 1'000);  // the ack itself counts again
}

TEST_CASE("a packet-size probe is neither in flight nor a sign of congestion") {
  Bench b;
  b.send();
  b.now += 10ms;
  b.ack({b.numbers[0]});
  const size_t window = b.sender.congestion_window();
  b.sender.on_sent(b.now, {.bytes = 9'000, .ack_eliciting = true, .mtu_probe = true}, {});
  CHECK(b.sender.in_flight_bytes() == 0);
  CHECK(b.sender.loss_at(ack_delay) == never);
  for (int i = 0; i < 5; ++i) b.send();
  b.now += 20ms;
  b.ack({b.numbers.back()});
  b.now += 20ms;
  b.sender.on_loss_timer(b.now);
  CHECK(b.sender.packets_lost() == 4);
  Bench c;
  const uint64_t probe = c.sender.next_number().value;
  c.sender.on_sent(c.now, {.bytes = 9'000, .ack_eliciting = true, .mtu_probe = true}, {});
  c.now += 10ms;
  CHECK(c.ack({probe}).mtu_probe_acked == 9'000);
  CHECK(c.sender.congestion_window() == window);
}

TEST_CASE("what is remembered of packets that held only acks is bounded") {
  Bench b;
  // A receiver of bulk sends acks for ever, and nobody acknowledges those.
  for (int i = 0; i < 10'000; ++i) {
    b.send(50, false);
    REQUIRE(b.sender.remembered_packets() <= 300);
  }
  // Behind a packet that is never acknowledged there is an end too.
  b.send();
  for (size_t i = 0; i < Sender::remembered_packets_max; ++i) b.send(50, false);
  CHECK(b.sender.remembers_too_much());
}

TEST_CASE(
    "only what counted as lost can turn out not to be: neither acks alone nor probes of the size") {
  Bench b;
  for (int i = 0; i < 3; ++i) b.send(50, false);
  const uint64_t probe = b.sender.next_number().value;
  b.sender.on_sent(b.now, {.bytes = 9'000, .ack_eliciting = true, .mtu_probe = true}, {});
  for (int i = 0; i < 5; ++i) b.send();
  b.now += 20ms;
  b.ack({b.numbers.end() - 5, b.numbers.end()});
  REQUIRE(b.sender.packets_lost() == 0);
  const size_t window = b.sender.congestion_window();
  b.now += 1ms;
  const auto& late = b.ack({b.numbers[0], b.numbers[1], b.numbers[2], probe});
  CHECK(late.mtu_probe_acked == 9'000);
  CHECK(b.sender.packets_lost_spuriously() == 0);
  CHECK(b.sender.congestion_window() == window);
  CHECK(b.sender.is_consistent());
}

TEST_CASE("what was sent to another address tells nothing of the packet sizes of this one") {
  Bench b;
  const uint64_t probe = b.sender.next_number().value;
  b.sender.on_sent(b.now, {.bytes = 9'000, .ack_eliciting = true, .mtu_probe = true}, {});
  for (int i = 0; i < 5; ++i) b.send(1'400);
  b.sender.on_new_path(1'200);
  b.send();
  b.now += 20ms;
  const auto& outcome = b.ack({probe, b.numbers[4]});
  CHECK(outcome.mtu_probe_acked == 0);
  CHECK(outcome.largest_acked_packet == 0);
  CHECK(outcome.lost_packets == 0);
  CHECK(b.of(outcome.acked).size() == 1);
  CHECK(!outcome.lost.empty());
  CHECK(b.sender.is_consistent());
}

TEST_CASE("reordering that is over is forgotten after sixteen recoveries, or on another path") {
  for (const bool moves : {true, false}) {
    CAPTURE(moves);
    Bench b;
    const auto flight = [&](size_t packets) {
      std::vector<uint64_t> out;
      for (size_t i = 0; i < packets; ++i) out.push_back(b.send());
      b.now += 20ms;
      return out;
    };
    // The first forty came late.
    const auto late = flight(60);
    b.ack({late.begin() + 40, late.end()});
    CHECK(b.sender.packets_lost() == 40);
    b.ack(late);
    CHECK(b.sender.packets_lost_spuriously() == 40);
    const auto lost_at_once = [&] {
      const auto some = flight(20);
      const auto lost = b.of(b.ack({some.begin() + 1, some.begin() + 10}).lost);
      const bool out = std::find(lost.begin(), lost.end(), some[0]) != lost.end();
      b.ack({some.begin() + 1, some.end()});
      b.now += 100ms;
      b.sender.on_loss_timer(b.now);
      return out;
    };
    int recoveries = 0;
    while (!moves && recoveries < 16) {
      CHECK(!lost_at_once());
      ++recoveries;
    }
    if (moves) b.sender.on_new_path(1'200);
    // The one that is too many sees it late as well.
    if (!moves) lost_at_once();
    CHECK(lost_at_once());
    CHECK(b.sender.packets_lost_spuriously() == 40);
    CHECK(b.sender.is_consistent());
  }
}
