// SPDX-License-Identifier: MIT
//
// The congestion controllers on an emulated bottleneck: 100 Mb/s, 20 ms, a queue of one
// bandwidth-delay product, where a test does not say otherwise.
#include "mrt/delay_model.h"
#include "mrt/sender.h"
#include "support/bottleneck.h"

#include <doctest/doctest.h>

using namespace mrt;
using namespace mrt::test;
using namespace std::chrono_literals;

namespace {

FlowConfig flow(CongestionControl control = CongestionControl::model, Duration starts = {}) {
  FlowConfig out;
  out.endpoint.plain = true;  // what is measured does not depend on it, and is faster
  out.endpoint.congestion = control;
  out.starts = starts;
  return out;
}

double mbit(uint64_t bytes, Duration time) {
  return static_cast<double>(bytes) * 8e-6 / to_seconds(time);
}

constexpr LinkConfig bursts{.bits_per_second = 20e6,
                            .queue_bytes = 125e3,
                            .delay = 25ms,
                            .burst_begin = 0.0062,
                            .burst_end = 0.2,
                            .reorder = 0.01};

struct Alone {
  double mbit;
  double sent_per_delivered;
  double dropped;  // share
  Duration queue;  // on average
};

Alone run_alone(const LinkConfig& link, Duration time,
                CongestionControl control = CongestionControl::model) {
  Bottleneck world(link, link, 1, {flow(control)});
  world.run(time);
  const LinkStats& stats = world.forth().stats();
  const auto packets = static_cast<double>(stats.packets);
  const std::chrono::duration<double> queue(stats.queued_seconds / packets);
  return {mbit(world.bytes_delivered(0), time),
          static_cast<double>(world.bytes_sent(0)) / static_cast<double>(world.bytes_delivered(0)),
          static_cast<double>(stats.dropped_at_queue) / packets,
          std::chrono::duration_cast<Duration>(queue)};
}

std::vector<double> run_together(const std::vector<FlowConfig>& flows, Duration settles,
                                 Duration time, const LinkConfig& link = {}) {
  Bottleneck world(link, link, 1, flows);
  world.run(settles);
  std::vector<double> out;
  for (size_t i = 0; i < flows.size(); ++i)
    out.push_back(-static_cast<double>(world.bytes_delivered(i)));
  world.run(time);
  for (size_t i = 0; i < flows.size(); ++i)
    out[i] = (out[i] + static_cast<double>(world.bytes_delivered(i))) * 8e-6 / to_seconds(time);
  return out;
}

double jain(const std::vector<double>& rates) {
  double sum = 0;
  double squares = 0;
  for (const double rate : rates) {
    sum += rate;
    squares += rate * rate;
  }
  return sum * sum / squares / static_cast<double>(rates.size());
}

}  // namespace

TEST_CASE("the model fills a link in a few round trips and drops next to nothing at its queue") {
  const Alone seen = run_alone({}, 3s);
  CHECK(seen.mbit > 92);
  CHECK(seen.dropped < 0.01);
  CHECK(seen.sent_per_delivered < 1.06);
}

TEST_CASE("a round trip that was measured as nothing leaves the window finite") {
  DelayModel model(1'200);
  Rtt rtt;
  rtt.on_sample(Duration{}, {});
  Instant now{1s};
  for (int i = 0; i < 5'000; ++i) {
    const Instant sent = now;
    now += 1us;
    model.on_acked({.now = now,
                    .bytes = 1'200,
                    .in_flight_before = model.window_bytes(),
                    .sent_at = sent,
                    .rtt = i % 2 * 1ns},
                   rtt);
    REQUIRE(model.window_bytes() < 1'000'000'000'000);
    REQUIRE(model.pacing_bytes_per_second(rtt) < 1e18);
  }
}

// Minutes of bulk, which a sanitizer makes hours and learns nothing new from.
#ifdef __SANITIZE_ADDRESS__
constexpr bool too_slow = true;
#else
constexpr bool too_slow = false;
#endif
TEST_SUITE_BEGIN("bottleneck" * doctest::skip(too_slow));

TEST_CASE("the model keeps its rate where one packet in five is lost, and CUBIC does not") {
  const LinkConfig lossy{.loss = 0.2};
  const Alone seen = run_alone(lossy, 4s);
  CHECK(seen.mbit > 70);  // of 76.7 at most
  CHECK(seen.sent_per_delivered < 1.06 / 0.8);
  CHECK(run_alone(lossy, 4s, CongestionControl::cubic).mbit < 5);
}

TEST_CASE("alone, the model adds less than a quarter of the round trip to it") {
  for (const double loss : {0.0, 0.05}) CHECK(run_alone({.loss = loss}, 4s).queue < 5ms);
  // In a queue that would hold ten times as much too.
  const Alone bloated = run_alone({.queue_bytes = 2.5e6}, 4s);
  CHECK(bloated.queue < 5ms);
  CHECK(bloated.mbit > 92);
}

TEST_CASE("bursts of loss and reordering cost the model little") {
  // Handshake and startup included: without those 18.6.
  CHECK(run_alone(bursts, 6s).mbit > 17.9);
}

TEST_CASE("where bursts of losses take acks only, the model leaves no gaps") {
  LinkConfig forth = bursts;
  forth.burst_begin = forth.reorder = 0;
  Bottleneck world(forth, bursts, 1, {flow()});
  world.run(2s);
  const uint64_t before = world.bytes_delivered(0);
  world.run(4s);
  CHECK(mbit(world.bytes_delivered(0) - before, 4s) > 18.9);  // of 19.2
  CHECK(world.forth().stats().dropped_at_queue < 60);
}

TEST_CASE("a far link is filled within five round trips") {
  const LinkConfig far{.queue_bytes = 1250e3, .delay = 50ms};
  Bottleneck world(far, far, 1, {flow()});
  world.run(700ms);
  CHECK(world.bytes_delivered(0) > 3'300'000);
  const LinkStats& stats = world.forth().stats();
  CHECK(static_cast<double>(stats.dropped_at_queue) < 0.05 * static_cast<double>(stats.packets));
}

TEST_CASE("where there is hardly a queue, losses tell the model where to stop") {
  // Startup alone loses 2 % of what is sent in this time.
  const Alone two_ms = run_alone({.queue_bytes = 25e3}, 8s);
  CHECK(two_ms.mbit > 90);
  CHECK(two_ms.dropped < 0.12);
  // A millisecond: what acknowledgements that were read together let go fills it at once.
  const Alone one_ms = run_alone({.queue_bytes = 12e3}, 8s);
  CHECK(one_ms.mbit > 55);
  CHECK(one_ms.dropped < 0.16);
}

TEST_CASE("jitter that looks like a queue does not starve the model") {
  CHECK(run_alone({.jitter = 3ms}, 5s).mbit > 75);
  CHECK(run_alone({.jitter = 10ms}, 5s).mbit > 50);
}

TEST_CASE("two and eight flows of the model share equally, at once and one after the other") {
  CHECK(jain(run_together({flow(), flow()}, 2s, 6s)) > 0.95);
  CHECK(jain(run_together({flow(), flow(CongestionControl::model, 2s)}, 5s, 6s)) > 0.95);
  std::vector<FlowConfig> eight(8, flow());
  CHECK(jain(run_together(eight, 2s, 6s)) > 0.95);
  for (size_t i = 0; i < eight.size(); ++i) eight[i].starts = i * 300ms;
  // Those who come late take the others' queue for the path, until a drain shows more of it.
  CHECK(jain(run_together(eight, 6s, 20s)) > 0.9);
}

TEST_CASE("the model and CUBIC each get a third of the link and more") {
  const FlowConfig cubic = flow(CongestionControl::cubic);
  const auto at_once = run_together({flow(), cubic}, 5s, 15s);
  CHECK(at_once[0] > 33);
  CHECK(at_once[1] > 33);
  const auto cubic_later = run_together({flow(), flow(CongestionControl::cubic, 2s)}, 5s, 15s);
  CHECK(cubic_later[0] > 33);
  CHECK(cubic_later[1] > 33);
  // It has never seen the path without CUBIC's queue.
  const auto cubic_first = run_together({cubic, flow(CongestionControl::model, 2s)}, 5s, 20s);
  CHECK(cubic_first[0] > 33);
  CHECK(cubic_first[1] > 33);
}

TEST_CASE("when CUBIC has gone, the model takes the link and the queue goes too") {
  FlowConfig cubic = flow(CongestionControl::cubic);
  cubic.bytes = 30'000'000;
  Bottleneck world({}, {}, 1, {flow(), cubic});
  world.run(20s);
  REQUIRE(world.time_taken(1) > Duration{});
  const uint64_t before = world.bytes_delivered(0);
  const LinkStats then = world.forth().stats();
  world.run(5s);
  CHECK(mbit(world.bytes_delivered(0) - before, 5s) > 90);
  const LinkStats& now = world.forth().stats();
  CHECK((now.queued_seconds - then.queued_seconds) /
            static_cast<double>(now.packets - then.packets) <
        0.005);
}

TEST_CASE("slow and fast links are filled too") {
  const LinkConfig slow{.bits_per_second = 1e6, .queue_bytes = 30e3, .delay = 40ms};
  CHECK(run_alone(slow, 8s).mbit > 0.8);
  const LinkConfig fast{.bits_per_second = 1e9, .queue_bytes = 200e3, .delay = 200us};
  CHECK(run_alone(fast, 1s).mbit > 900);
}

TEST_SUITE_END();

TEST_CASE("what an acknowledged packet has passed holds back nothing, late as it may be") {
  Sender sender(seed_from(1), CongestionControl::cubic, 1'200);
  sender.on_handshake_rtt(20ms);
  std::vector<uint64_t> numbers;
  for (int i = 0; i < 8; ++i) {
    numbers.push_back(sender.next_number().value);
    sender.on_sent(Instant{1s}, {.bytes = 1'200, .ack_eliciting = true}, {});
  }
  const Instant now{1s + 20ms};
  const size_t before = sender.window_room(now, SIZE_MAX);
  CHECK(before == sender.congestion_window() - 8 * 1'200);
  IntervalSet acked;
  acked.add(numbers[2], numbers[2] + 1);
  Bytes buffer(100);
  Writer out(buffer);
  write_ack(out, acked, {});
  Reader in(out.written());
  const Frame frame = *read_frame(in);
  CHECK(sender.on_ack(now, std::get<AckFrame>(frame), {}).lost_packets == 0);
  CHECK(sender.in_flight_bytes() == 7 * 1'200);
  CHECK(sender.window_room(now, SIZE_MAX) == sender.congestion_window() - 5 * 1'200);
  CHECK(sender.is_consistent());
  // For CUBIC nothing else does: what is only overdue is on the path.
  CHECK(sender.window_at(now) == never);
  CHECK(sender.window_room(now + 1s, SIZE_MAX) == sender.congestion_window() - 5 * 1'200);
}

TEST_CASE("the model takes nothing unheard for gone before it knows the path") {
  CHECK(DelayModel(1'200).unheard_bytes_max() == 0);
}

TEST_CASE("the model's first window is what the minimum allows, whatever the packet's size") {
  for (const size_t packet : {1'200u, 8'972u, 65'507u}) {
    const DelayModel model(packet);
    CHECK(model.window_bytes() >= 2 * packet);
    CHECK(model.window_bytes() <= std::max<size_t>(48'000, 2 * packet));
  }
}

TEST_CASE("persistent congestion takes the model back to its start") {
  DelayModel model(1'200);
  Rtt rtt;
  rtt.on_sample(20ms, {});
  model.on_lost({.now = Instant{1s}, .bytes = 12'000, .persistent = true}, rtt);
  CHECK(model.window_bytes() == 4 * 1'200);
}
