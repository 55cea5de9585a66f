// SPDX-License-Identifier: MIT
#include "node/sim/world.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using node::sim::HostId;
using node::sim::Instant;
using node::sim::World;

namespace {

struct Heard {
  Instant at;
  mrt::Address from;
  mrt::Bytes bytes;
};

/// Answers each "?" with "!", sends what it is told to, and reports every batch as an event.
class Echo {
 public:
  void on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn, size_t segment_size,
                    mrt::MutableBytes bytes) {
    ++batches;
    while (!bytes.empty()) {
      const auto one = bytes.first(std::min(segment_size, bytes.size()));
      bytes = bytes.subspan(one.size());
      heard_.push_back({now, path.remote, {one.begin(), one.end()}});
      if (one[0] == '?') say(path.remote, "!", 1);
    }
  }
  void on_timeout(Instant now) {
    ticks.push_back(now);
    tick_at = mrt::never;
  }
  std::optional<mrt::Transmit> poll_transmit(Instant, mrt::MutableBytes buffer) {
    if (out_.empty()) return std::nullopt;
    const auto [to, text, segment] = out_.front();
    out_.erase(out_.begin());
    std::copy(text.begin(), text.end(), buffer.begin());
    return mrt::Transmit{{{}, to}, text.size(), segment};
  }
  std::optional<Heard> poll_event() {
    if (heard_.empty()) return std::nullopt;
    Heard first = heard_.front();
    heard_.erase(heard_.begin());
    return first;
  }
  Instant next_timeout() const { return tick_at; }
  bool is_consistent() const { return true; }

  void say(const mrt::Address& to, std::string text, size_t segment = 1'000) {
    out_.push_back({to, std::move(text), segment});
  }

  Instant tick_at = mrt::never;
  std::vector<Instant> ticks;
  int batches = 0;

 private:
  struct Said {
    mrt::Address to;
    std::string text;
    size_t segment;
  };
  std::vector<Said> out_;
  std::vector<Heard> heard_;
};

using Log = std::vector<Heard>;
struct Note {
  Log* log;
  void operator()(Instant, Echo&, const Heard& heard) const { log->push_back(heard); }
};
using EchoProgram = node::sim::MachineProgram<Echo, Note>;

struct Two {
  explicit Two(const node::sim::WorldConfig& config) : world(config) {
    for (int i = 0; i < 2; ++i) {
      const HostId id = world.add_host();
      hosts.push_back(id);
      start(id);
    }
  }
  void start(HostId id) {
    auto program = std::make_unique<EchoProgram>(Note{&logs[id.value]});
    echoes[id.value] = &program->machine();
    world.start(id, std::move(program));
  }
  void say(size_t from, size_t to, std::string text, size_t segment = 1'000) {
    echoes[from]->say(world.address(hosts[to]), std::move(text), segment);
    world.wake(hosts[from]);
  }

  World world;
  std::vector<HostId> hosts;
  Echo* echoes[2];
  Log logs[2];
};

}  // namespace

TEST_CASE("a question crosses the world and its answer comes back in virtual time") {
  Two two({.seed = 1, .link = {.delay = 30ms}});
  two.say(0, 1, "?");
  two.world.run_until(Instant{} + 59ms);
  CHECK(two.logs[1].size() == 1);
  CHECK(two.logs[0].empty());
  two.world.run_until(Instant{} + 60ms);
  REQUIRE(two.logs[0].size() == 1);
  CHECK(two.logs[0][0].at == Instant{} + 60ms);
  CHECK(two.logs[0][0].from == two.world.address(two.hosts[1]));
  CHECK(two.logs[0][0].from.to_string() == "10.0.0.2:7700");
}

TEST_CASE("a timer is met at its instant, and the clock stands at the end of the run") {
  Two two({});
  two.echoes[0]->tick_at = Instant{} + 250ms;
  two.world.wake(two.hosts[0]);
  two.world.run_until(Instant{} + 1s);
  CHECK(two.echoes[0]->ticks == std::vector{Instant{} + 250ms});
  CHECK(two.world.now() == Instant{} + 1s);
}

TEST_CASE("a batch is split on the link and joined again on arrival, where that is asked for") {
  for (const bool joins : {true, false}) {
    Two two({.joins_on_arrival = joins});
    two.say(0, 1, "aaabbbc", 3);
    two.world.run_until(Instant{} + 1s);
    CHECK(two.world.counters().datagrams_sent == 3);
    CHECK(two.logs[1].size() == 3);
    CHECK(two.echoes[1]->batches == (joins ? 1 : 3));
  }
}

TEST_CASE("a frozen program hears nothing until it thaws, and then what its buffer held") {
  Two two({.link = {.delay = 1ms}, .socket_buffer_bytes = 5});
  two.world.freeze(two.hosts[1]);
  two.echoes[1]->tick_at = Instant{} + 10ms;
  two.world.wake(two.hosts[1]);
  for (int i = 0; i < 3; ++i) two.say(0, 1, "ab");
  two.world.run_until(Instant{} + 2s);
  CHECK(two.logs[1].empty());
  CHECK(two.echoes[1]->ticks.empty());
  CHECK(two.world.counters().datagrams_missed == 1);
  two.world.thaw(two.hosts[1]);
  two.world.run_until(Instant{} + 3s);
  REQUIRE(two.logs[1].size() == 2);
  CHECK(two.logs[1][0].at == Instant{} + 2s);
  CHECK(two.echoes[1]->ticks == std::vector{Instant{} + 2s});
}

TEST_CASE("a crashed program is gone without a word, and another may start in its place") {
  Two two({.link = {.delay = 1ms}});
  two.say(0, 1, "?");
  two.world.crash(two.hosts[1]);
  two.world.run_until(Instant{} + 1s);
  CHECK(two.logs[0].empty());
  CHECK(two.world.counters().datagrams_missed == 1);
  two.start(two.hosts[1]);
  two.say(0, 1, "?");
  two.world.run_until(Instant{} + 2s);
  CHECK(two.logs[0].size() == 1);

  two.world.crash(two.hosts[1]);
  two.world.change_port(two.hosts[1]);
  two.start(two.hosts[1]);
  CHECK(two.world.address(two.hosts[1]).to_string() == "10.0.0.2:7701");
  two.echoes[0]->say(*mrt::Address::parse("10.0.0.2:7700"), "?");
  two.say(0, 1, "?");
  two.world.run_until(Instant{} + 3s);
  CHECK(two.logs[0].size() == 2);
}

TEST_CASE("partitions and cuts hold back what they should, each way for itself") {
  Two two({});
  const auto heard = [&] {
    two.logs[0].clear();
    two.logs[1].clear();
    two.say(0, 1, "a");
    two.say(1, 0, "b");
    two.world.run_until(two.world.now() + 1s);
    return std::pair(two.logs[1].size(), two.logs[0].size());
  };
  CHECK(heard() == std::pair<size_t, size_t>(1, 1));
  two.world.partition({{two.hosts[0]}});
  CHECK(heard() == std::pair<size_t, size_t>(0, 0));
  two.world.partition({{two.hosts[0], two.hosts[1]}});
  CHECK(heard() == std::pair<size_t, size_t>(1, 1));
  two.world.heal();
  two.world.cut(two.hosts[0], two.hosts[1], true);
  CHECK(heard() == std::pair<size_t, size_t>(0, 1));
  two.world.cut(two.hosts[0], two.hosts[1], false);
  CHECK(heard() == std::pair<size_t, size_t>(1, 1));
}

TEST_CASE("a program that never rests is caught, and the world still ends") {
  struct Spinner : Echo {
    Instant next_timeout() const { return Instant{}; }
  };
  World world({});
  const HostId id = world.add_host();
  const auto ignore = [](Instant, Spinner&, const Heard&) {};
  world.start(id, std::make_unique<node::sim::MachineProgram<Spinner, decltype(ignore)>>(ignore));
  world.run_until(Instant{} + 1s);
  CHECK(world.spinning() == id);
}

TEST_CASE("actions and events of one instant happen in the order in which they were made") {
  World world({});
  std::string order;
  world.at(Instant{} + 2ms, [&] { order += 'c'; });
  world.at(Instant{} + 1ms, [&] {
    order += 'a';
    world.at(world.now(), [&] { order += 'b'; });
  });
  world.at(Instant{} + 2ms, [&] { order += 'd'; });
  world.run_until(Instant{} + 1s);
  CHECK(order == "abcd");
}

TEST_CASE("the same seed has the same digest, another seed another") {
  const auto digest = [](uint64_t seed, std::string_view record) {
    Two two({.seed = seed, .link = {.jitter = 5ms, .loss = 0.5}});
    for (int i = 0; i < 20; ++i) two.say(0, 1, "?");
    two.world.run_until(Instant{} + 1s);
    two.world.record(two.hosts[0], record);
    return two.world.digest();
  };
  CHECK(digest(1, "") == digest(1, ""));
  CHECK(digest(1, "") != digest(2, ""));
  CHECK(digest(1, "x") != digest(1, "y"));
}

TEST_CASE("a watcher sees each datagram leave and arrive") {
  Two two({});
  std::string seen;
  two.world.watch([&](const node::sim::Passage& passage) {
    using Kind = node::sim::Passage::Kind;
    seen += passage.kind == Kind::sent ? 's' : passage.kind == Kind::arrived ? 'a' : 'x';
  });
  two.say(0, 1, "?");
  two.world.run_until(Instant{} + 1s);
  two.world.partition({{two.hosts[0]}});
  two.say(0, 1, "?");
  two.world.run_until(Instant{} + 2s);
  CHECK(seen == "sasax");
}
