// SPDX-License-Identifier: MIT
//
// Bulk over emulated links in virtual time: what the controller and the loss recovery make of
// them, to the byte the same on every machine that has the same seed.
//
//   simulated links [SEEDS [NAME]]    one flow over each link of docs/PERFORMANCE.md (or those
//                                 whose name holds NAME), five seeds
//   simulated share [SECONDS [SEED]]  flows that share a link
//   simulated counters            packets, bytes and allocations: compared in CI with what is
//                                 stored (scripts/counters)
//   simulated instructions        a small transfer, for callgrind to count
//   simulated trace LOSS_PERCENT DELAY_MS RATE_MBIT QUEUE_BYTES SECONDS [bursts|cubic|later]
//                                 cubic: beside the model, from 2 s on; later: before it
#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <string>
#include <string_view>

#include "support/bottleneck.h"

using namespace mrt;
using namespace mrt::test;
using namespace std::chrono_literals;

namespace {
uint64_t allocations = 0;
}

// Counts what all of the program allocates; the standard's other forms call these.
[[gnu::noinline]] void* operator new(size_t size) {
  ++allocations;
  if (void* out = std::malloc(size)) return out;
  throw std::bad_alloc();
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace {

Duration from_seconds(double seconds) {
  return std::chrono::duration_cast<Duration>(std::chrono::duration<double>(seconds));
}

double mbit(uint64_t bytes, Duration time) {
  return static_cast<double>(bytes) * 8e-6 / to_seconds(time);
}

EndpointConfig endpoint(bool sealed) {
  EndpointConfig out;
  out.network = "bench";
  out.plain = !sealed;
  if (sealed) out.only_cipher = Cipher::aes_128_gcm;
  return out;
}

struct NamedLink {
  const char* name;
  LinkConfig link;
  Duration time = 8s;
};

LinkConfig bursts() {
  return {.bits_per_second = 20e6,
          .queue_bytes = 125e3,
          .delay = 25ms,
          .burst_begin = 0.0062,
          .burst_end = 0.2,
          .reorder = 0.01};
}

std::vector<NamedLink> links() {
  const LinkConfig far{.queue_bytes = 1250e3, .delay = 50ms, .loss = 0.01};
  return {{"0 %", {}},
          {"1 %", {.loss = 0.01}},
          {"5 %", {.loss = 0.05}},
          {"20 %", {.loss = 0.2}},
          {"100 ms, 1 %", far},
          {"the same, 20 s", far, 20s},
          {"20 Mb/s bursts", bursts()},
          {"queue of 25 kB", {.queue_bytes = 25e3}},
          {"queue of 2.5 MB", {.queue_bytes = 2.5e6}},
          {"10 ms jitter", {.jitter = 10ms}},
          {"1 Mb/s, 80 ms", {.bits_per_second = 1e6, .queue_bytes = 30e3, .delay = 40ms}},
          {"1 Gb/s, 0.4 ms", {.bits_per_second = 1e9, .queue_bytes = 200e3, .delay = 200us}, 4s}};
}

// As many bytes as the link carries in that time at most, from the first RCON to the last ack.
uint64_t bytes_for(const NamedLink& on) {
  const double share = 0.94 * (1 - on.link.loss);
  return static_cast<uint64_t>(on.link.bits_per_second / 8 * share * to_seconds(on.time));
}

void run_links(uint64_t seeds, std::string_view only) {
  std::printf("%-16s %8s %8s %6s %9s %9s\n", "", "Mb/s", "worst", "sent", "dropped %", "queue ms");
  for (const NamedLink& on : links()) {
    if (std::string_view(on.name).find(only) == std::string_view::npos) continue;
    double rate = 0;
    double worst = 1e9;
    double sent = 0;
    double dropped = 0;
    double queue = 0;
    for (uint64_t seed = 1; seed <= seeds; ++seed) {
      Bottleneck world(on.link, on.link, seed,
                       {{.endpoint = endpoint(true), .bytes = bytes_for(on)}});
      world.run(8 * on.time);
      const double once = mbit(world.bytes_delivered(0), world.time_taken(0));
      const LinkStats& stats = world.forth().stats();
      const auto packets = static_cast<double>(stats.packets);
      rate += once;
      worst = std::min(worst, once);
      sent +=
          static_cast<double>(world.bytes_sent(0)) / static_cast<double>(world.bytes_delivered(0));
      dropped += 100 * static_cast<double>(stats.dropped_at_queue) / packets;
      queue += 1000 * stats.queued_seconds / packets;
    }
    const auto runs = static_cast<double>(seeds);
    std::printf("%-16s %8.2f %8.2f %6.3f %9.2f %9.2f\n", on.name, rate / runs, worst, sent / runs,
                dropped / runs, queue / runs);
    std::fflush(stdout);
  }
}

uint64_t share_seed = 1;

void run_share(const char* name, const std::vector<FlowConfig>& flows, const LinkConfig& link,
               Duration time) {
  Bottleneck world(link, link, share_seed, flows);
  world.run(time / 6);  // until the last has started
  std::vector<uint64_t> before;
  for (size_t i = 0; i < flows.size(); ++i) before.push_back(world.bytes_delivered(i));
  world.run(time - time / 6);
  std::printf("%-26s", name);
  double sum = 0;
  double squares = 0;
  for (size_t i = 0; i < flows.size(); ++i) {
    const double rate = mbit(world.bytes_delivered(i) - before[i], time - time / 6);
    sum += rate;
    squares += rate * rate;
    std::printf(" %5.1f", rate);
  }
  const LinkStats& stats = world.forth().stats();
  std::printf("  Jain %.3f, queue %.1f ms\n",
              sum * sum / squares / static_cast<double>(flows.size()),
              1000 * stats.queued_seconds / static_cast<double>(stats.packets));
}

void run_shares(Duration time) {
  const FlowConfig model{.endpoint = endpoint(true)};
  FlowConfig cubic = model;
  cubic.endpoint.congestion = CongestionControl::cubic;
  FlowConfig model_later = model;
  model_later.starts = 2s;
  FlowConfig cubic_later = cubic;
  cubic_later.starts = 2s;
  std::vector<FlowConfig> eight(8, model);
  run_share("two", {model, model}, {}, time);
  run_share("two, one 2 s later", {model, model_later}, {}, time);
  run_share("two, 1 % lost", {model, model}, {.loss = 0.01}, time);
  run_share("two, queue of 50 kB", {model, model}, {.queue_bytes = 50e3}, time);
  run_share("eight", eight, {}, time);
  for (size_t i = 0; i < eight.size(); ++i) eight[i].starts = i * 300ms;
  run_share("eight, one after the other", eight, {}, time);
  run_share("model and CUBIC", {model, cubic}, {}, time);
  run_share("model, CUBIC later", {model, cubic_later}, {}, time);
  run_share("CUBIC, model later", {cubic, model_later}, {}, time);
  run_share("two CUBIC", {cubic, cubic}, {}, time);
  run_share("model, CUBIC, 1 MB queue", {model, cubic}, {.queue_bytes = 1e6}, time);
  run_share("model, CUBIC, 50 kB queue", {model, cubic}, {.queue_bytes = 50e3}, time);
}

void run_counters() {
  const std::array<NamedLink, 4> all = {
      NamedLink{"clean", {}}, NamedLink{"loss-5", {.loss = 0.05}},
      NamedLink{"loss-20", {.loss = 0.2}},
      NamedLink{"jumbo", {.bits_per_second = 1e9, .delay = 200us, .payload_max = 8972}}};
  for (const NamedLink& on : all) {
    for (const bool sealed : {false, true}) {
      constexpr uint64_t first = 5'000'000;  // until buffers have grown to what is needed
      constexpr uint64_t bytes = 20'000'000;
      Bottleneck world(on.link, on.link, 1, {{.endpoint = endpoint(sealed), .bytes = bytes}});
      while (world.bytes_delivered(0) < first) world.run(1ms);
      const uint64_t before = allocations;
      const uint64_t delivered = world.bytes_delivered(0);
      // The link's own bookkeeping allocates a node for each packet.
      const uint64_t link_before = world.link_allocations();
      while (world.bytes_delivered(0) < bytes - first) world.run(1ms);
      const uint64_t ours = allocations - before - (world.link_allocations() - link_before);
      const double megabytes = static_cast<double>(world.bytes_delivered(0) - delivered) / 1e6;
      world.run(60s);
      const ConnectionStats stats = world.stats(0);
      std::printf(
          "%s %s packets %llu bytes %llu retransmitted %llu acks %llu allocations/MB %.1f\n",
          on.name, sealed ? "sealed" : "plain", static_cast<unsigned long long>(stats.packets_sent),
          static_cast<unsigned long long>(stats.bytes_sent),
          static_cast<unsigned long long>(stats.bytes_retransmitted),
          static_cast<unsigned long long>(stats.packets_received),
          static_cast<double>(ours) / megabytes);
    }
  }
}

void run_for_callgrind() {
  Bottleneck world({.loss = 0.01}, {}, 1, {{.endpoint = endpoint(false), .bytes = 10'000'000}});
  world.run(60s);
  std::printf("%llu bytes\n", static_cast<unsigned long long>(world.bytes_delivered(0)));
}

void trace(const LinkConfig& link, Duration time, std::string_view with) {
  std::vector<FlowConfig> flows{{.endpoint = endpoint(true)}};
  if (with == "cubic" || with == "later") {
    flows.push_back(flows[0]);
    flows[1].endpoint.congestion = CongestionControl::cubic;
    flows[with == "cubic" ? 1 : 0].starts = 2s;
  }
  Bottleneck world(link, link, 1, flows);
  std::vector<uint64_t> last(flows.size());
  constexpr Duration step = 20ms;
  LinkStats before;
  for (Duration t{}; t < time; t += step) {
    world.run(step);
    const LinkStats& stats = world.forth().stats();
    const double packets = static_cast<double>(stats.packets - before.packets);
    std::printf("%6.2f s queue %6.2f ms, %3d dropped", to_seconds(t + step),
                1000 * (stats.queued_seconds - before.queued_seconds) / std::max(1.0, packets),
                static_cast<int>(stats.dropped_at_queue - before.dropped_at_queue));
    before = stats;
    for (size_t i = 0; i < flows.size(); ++i) {
      const ConnectionStats s = world.stats(i);
      std::printf(" | %6.2f Mb/s, window %7zu, in flight %7zu, RTT %6.2f ms",
                  mbit(world.bytes_delivered(i) - last[i], step), s.window_bytes, s.in_flight_bytes,
                  to_seconds(s.rtt_latest) * 1000);
      last[i] = world.bytes_delivered(i);
    }
    std::printf("\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view what = argc > 1 ? argv[1] : "";
  if (what == "links") {
    run_links(argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 5, argc > 3 ? argv[3] : "");
  } else if (what == "share") {
    if (argc > 3) share_seed = std::strtoull(argv[3], nullptr, 10);
    run_shares(from_seconds(argc > 2 ? std::strtod(argv[2], nullptr) : 30));
  } else if (what == "counters") {
    run_counters();
  } else if (what == "instructions") {
    run_for_callgrind();
  } else if (what == "trace" && argc >= 7) {
    const auto number = [&](int i) { return std::strtod(argv[i], nullptr); };
    const std::string_view with = argc > 7 ? argv[7] : "";
    LinkConfig link = with == "bursts" ? bursts() : LinkConfig{};
    link.loss = number(2) / 100;
    link.delay = from_seconds(number(3) / 1000);
    link.bits_per_second = number(4) * 1e6;
    link.queue_bytes = number(5);
    trace(link, from_seconds(number(6)), with);
  } else {
    std::fprintf(
        stderr,
        "usage: simulated links | share [SECONDS [SEED]] | counters | instructions |\n"
        "       trace LOSS_PERCENT DELAY_MS RATE_MBIT QUEUE_BYTES SECONDS [bursts|cubic|later]\n");
    return 2;
  }
}
