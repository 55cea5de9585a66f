// SPDX-License-Identifier: MIT
//
// The congestion controllers on an emulated bottleneck: 100 Mb/s, 20 ms, a queue of one
// bandwidth-delay product, where a test does not say otherwise.
#include <doctest/doctest.h>

#include "mrt/delay_model.h"
#include "support/bottleneck.h"

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
  const LinkConfig link{.bits_per_second = 20e6,
                        .queue_bytes = 125e3,
                        .delay = 25ms,
                        .burst_begin = 0.0062,
                        .burst_end = 0.2,
                        .reorder = 0.01};
  CHECK(run_alone(link, 6s).mbit > 16.8);  // of 18.4
}

TEST_CASE("where there is hardly a queue, losses tell the model where to stop") {
  // A millisecond of it: most of what is dropped goes while startup finds out.
  const Alone seen = run_alone({.queue_bytes = 12e3}, 8s);
  CHECK(seen.mbit > 75);
  CHECK(seen.dropped < 0.1);
}

TEST_CASE("jitter that looks like a queue does not starve the model") {
  CHECK(run_alone({.jitter = 10ms}, 5s).mbit > 50);
}

TEST_CASE("two and eight flows of the model share equally, at once and one after the other") {
  CHECK(jain(run_together({flow(), flow()}, 2s, 6s)) > 0.95);
  CHECK(jain(run_together({flow(), flow(CongestionControl::model, 2s)}, 5s, 6s)) > 0.95);
  std::vector<FlowConfig> eight(8, flow());
  CHECK(jain(run_together(eight, 2s, 6s)) > 0.95);
  for (size_t i = 0; i < eight.size(); ++i) eight[i].starts = i * 300ms;
  // Those who come late take the others' queue for the path, until a drain shows more of it.
  CHECK(jain(run_together(eight, 6s, 24s)) > 0.8);
}

TEST_CASE("the model and CUBIC each get a third of the link and more") {
  const FlowConfig cubic = flow(CongestionControl::cubic);
  const auto at_once = run_together({flow(), cubic}, 5s, 25s);
  CHECK(at_once[0] > 33);
  CHECK(at_once[1] > 33);
  const auto cubic_later = run_together({flow(), flow(CongestionControl::cubic, 2s)}, 5s, 25s);
  CHECK(cubic_later[0] > 33);
  CHECK(cubic_later[1] > 33);
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
