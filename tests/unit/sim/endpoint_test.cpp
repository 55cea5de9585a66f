// SPDX-License-Identifier: MIT
//
// The transport in the simulated world: two endpoints, the very code that runs on sockets.
#include <doctest/doctest.h>

#include <set>

#include "mrt/endpoint.h"
#include "node/sim/world.h"

using namespace std::chrono_literals;
using mrt::Instant;
using node::sim::HostId;
using node::sim::LinkSpec;
using node::sim::World;

namespace {

/// Sends `bytes_to_send` on one stream and messages of numbers, and keeps what it gets.
struct Talker {
  explicit Talker(size_t size) : bytes_to_send(size) {}

  void operator()(Instant now, mrt::Endpoint& endpoint, const mrt::Event& event) {
    if (const auto* e = std::get_if<mrt::Connected>(&event)) {
      ++connected;
      connection = e->connection;
      write(now, endpoint);
    } else if (std::holds_alternative<mrt::Writable>(event)) {
      write(now, endpoint);
    } else if (const auto* r = std::get_if<mrt::Readable>(&event)) {
      mrt::Bytes piece(4096);
      while (const size_t size = endpoint.read(now, r->connection, r->stream, piece)) {
        for (size_t i = 0; i < size; ++i) {
          in_order = in_order && piece[i] == byte_at(received++);
        }
      }
    } else if (const auto* m = std::get_if<mrt::MessageReceived>(&event)) {
      messages.insert(mrt::Reader(m->bytes).u32());
      ++message_count;
    } else if (const auto* c = std::get_if<mrt::Closed>(&event)) {
      closed = c->code;
    }
  }

  static uint8_t byte_at(size_t position) {
    return static_cast<uint8_t>(position * 31 + position / 251);
  }

  void write(Instant now, mrt::Endpoint& endpoint) {
    if (!connection) return;
    mrt::Bytes piece(4096);
    while (sent < bytes_to_send) {
      const size_t size = std::min(piece.size(), bytes_to_send - sent);
      for (size_t i = 0; i < size; ++i) piece[i] = byte_at(sent + i);
      const size_t taken =
          endpoint.write(now, *connection, mrt::first_stream, mrt::ByteView(piece).first(size));
      sent += taken;
      if (taken < size) break;
    }
    while (numbered < messages_to_send) {
      auto bytes = std::make_shared<mrt::Bytes>(4);
      mrt::Writer(*bytes).u32(numbered);
      if (!endpoint.send_message(now, *connection, mrt::Priority::interactive, bytes)) break;
      ++numbered;
    }
  }

  size_t bytes_to_send;
  uint32_t messages_to_send = 500;
  std::optional<mrt::ConnectionId> connection;
  int connected = 0;
  size_t sent = 0;
  uint32_t numbered = 0;
  size_t received = 0;
  bool in_order = true;
  std::set<uint32_t> messages;
  int message_count = 0;
  std::optional<mrt::CloseCode> closed;
};

struct ByReference {
  Talker* talker;
  void operator()(Instant now, mrt::Endpoint& endpoint, const mrt::Event& event) const {
    (*talker)(now, endpoint, event);
  }
};
using EndpointProgram = node::sim::MachineProgram<mrt::Endpoint, ByReference>;

/// With one cipher, whatever this machine's CPU is good at: the same bytes everywhere.
mrt::EndpointConfig sealed_config() {
  mrt::EndpointConfig config;
  config.only_cipher = mrt::Cipher::chacha20_poly1305;
  return config;
}

struct Pair {
  Pair(uint64_t seed, const LinkSpec& link, size_t bytes)
      : world({.seed = seed, .link = link}), talkers{Talker(bytes), Talker(bytes)} {
    for (size_t i = 0; i < 2; ++i) {
      hosts[i] = world.add_host();
      start(i);
    }
  }
  void start(size_t i) {
    auto program = std::make_unique<EndpointProgram>(ByReference{&talkers[i]}, sealed_config(),
                                                     mrt::seed_from(1000 + 2 * starts++ + i));
    endpoints[i] = &program->machine();
    world.start(hosts[i], std::move(program));
  }
  void connect(size_t from) {
    const mrt::Path path{world.address(hosts[from]), world.address(hosts[1 - from])};
    REQUIRE(endpoints[from]->connect(world.now(), path));
    world.wake(hosts[from]);
  }
  bool is_done() const {
    for (size_t i = 0; i < 2; ++i) {
      const Talker& talker = talkers[i];
      if (talker.received < talkers[1 - i].bytes_to_send) return false;
      if (talker.message_count < static_cast<int>(talkers[1 - i].messages_to_send)) return false;
    }
    return true;
  }
  /// Virtual seconds until both have all.
  double finish() {
    const Instant start = world.now();
    while (!is_done() && world.now() < start + 300s) {
      world.run_until(world.now() + 10ms);
      REQUIRE_FALSE(world.spinning());
    }
    REQUIRE(is_done());
    world.run_until(world.now() + 2s);
    for (const Talker& talker : talkers) {
      CHECK(talker.in_order);
      CHECK(talker.connected == 1);
      CHECK(talker.messages.size() == talker.messages_to_send);
      CHECK(talker.message_count == static_cast<int>(talker.messages_to_send));
    }
    return mrt::to_seconds(world.now() - start);
  }

  World world;
  Talker talkers[2];
  HostId hosts[2];
  mrt::Endpoint* endpoints[2];
  uint64_t starts = 0;
};

}  // namespace

TEST_CASE("two endpoints exchange a megabyte and 500 messages each way over any link") {
  const LinkSpec links[] = {
      {},
      {.delay = 20us},
      {.delay = 50ms, .jitter = 10ms},
      {.delay = 10ms, .rate_bytes_per_s = 2'000'000, .queue_bytes = 50'000},
      {.delay = 10ms, .loss = 0.3},
      {.delay = 10ms, .burst_loss = 0.2, .burst_length = 10},
      {.delay = 5ms, .jitter = 5ms, .loss = 0.1, .duplicate = 0.2, .reorder = 0.2, .corrupt = 0.1},
  };
  for (const LinkSpec& link : links) {
    for (uint64_t seed = 1; seed <= 4; ++seed) {
      CAPTURE(&link - links);
      CAPTURE(seed);
      Pair pair(seed, {.delay = 10ms}, 1'000'000);
      pair.connect(0);
      // A handshake of a dozen packets can die in one burst: that is not the point here.
      pair.world.run_until(Instant{} + 25ms);
      pair.world.change_links(link);
      pair.finish();
    }
  }
}

TEST_CASE("both call at once and one connection comes of it") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, {.delay = 10ms, .jitter = 3ms, .loss = 0.2}, 10'000);
    pair.connect(0);
    pair.connect(1);
    pair.finish();
    CHECK(pair.endpoints[0]->connections().size() == 1);
    CHECK(pair.endpoints[1]->connections().size() == 1);
  }
}

TEST_CASE("a frozen endpoint goes on where it was, and a dead one ends by idle time-out") {
  Pair pair(1, {.delay = 10ms, .rate_bytes_per_s = 1'000'000}, 1'000'000);
  pair.connect(0);
  pair.world.run_until(Instant{} + 300ms);
  pair.world.freeze(pair.hosts[1]);
  pair.world.run_until(Instant{} + 8s);
  pair.world.thaw(pair.hosts[1]);
  pair.finish();
  pair.world.crash(pair.hosts[1]);
  pair.world.run_until(pair.world.now() + 60s);
  CHECK(pair.talkers[0].closed == mrt::CloseCode::idle_timeout);
}

TEST_CASE("a peer that was restarted and calls again ends the old connection") {
  Pair pair(1, {.delay = 10ms}, 1'000);
  pair.connect(0);
  pair.finish();
  pair.world.crash(pair.hosts[1]);
  pair.start(1);
  pair.connect(1);
  pair.world.run_until(pair.world.now() + 1s);
  CHECK(pair.talkers[0].closed == mrt::CloseCode::reset);
  CHECK(pair.talkers[0].connected == 2);
  CHECK(pair.endpoints[0]->connections().size() == 1);
}
