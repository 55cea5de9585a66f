// SPDX-License-Identifier: MIT
//
// What must hold of an endpoint as a Machine (mrt/base/machine.h), whatever the order of
// inputs and polls.
#include <doctest/doctest.h>

#include <algorithm>

#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

namespace {

// Everything that a pair sends in a minute of bad weather, as one number.
uint64_t digest_of(uint64_t seed) {
  Pair pair(seed,
            {.jitter = 3ms, .loss = 0.1, .duplicate = 0.05, .reorder = 0.05, .corrupt = 0.02});
  uint64_t digest = 14'695'981'039'346'656'037u;  // FNV-1a
  auto mix = [&](uint8_t byte) { digest = (digest ^ byte) * 1'099'511'628'211u; };
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    mix(static_cast<uint8_t>(from));
    for (const uint8_t byte : packet) mix(byte);
  };
  REQUIRE(pair.connect());
  for (uint64_t i = 0; i < 30; ++i) {
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      pair[side].send_message(pair.now, *pair.id[side], Priority::normal,
                              shared_pattern(i * 50, i));
      pair[side].write(pair.now, *pair.id[side], first_stream, pattern(5'000, i));
    }
    pair.run(2s);
  }
  return digest;
}

}  // namespace

TEST_CASE("the same seed gives the same bytes, another seed others") {
  CHECK(digest_of(1) == digest_of(1));
  CHECK(digest_of(1) != digest_of(2));
}

TEST_CASE("any interleaving of inputs and polls delivers everything") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed_from(seed));
    std::array<Endpoint, 2> ends{Endpoint({}, random.fork()), Endpoint({}, random.fork())};
    const std::array<Address, 2> at{Address::v4(10, 0, 0, 1, 1), Address::v4(10, 0, 0, 2, 2)};
    struct Flying {
      size_t to;
      Bytes bytes;
      size_t segment_size;
    };
    std::deque<Flying> wire;
    std::array<std::optional<ConnectionId>, 2> ids;
    std::array<std::vector<Bytes>, 2> got;
    std::array<uint64_t, 2> sent{};
    constexpr uint64_t wanted = 20;
    Instant now{1s};
    Bytes buffer(batch_bytes_max);
    ids[0] = ends[0].connect(now, {at[0], at[1]});
    std::array<bool, 2> open{};
    int step = 0;
    for (; step < 200'000 && (got[0].size() < wanted || got[1].size() < wanted); ++step) {
      const size_t i = random.below(2);
      Endpoint& end = ends[i];
      switch (random.below(7)) {
        case 0:
          if (const auto event = end.poll_event()) {
            if (const auto* c = std::get_if<Connected>(&*event)) {
              ids[i] = c->connection;
              open[i] = true;
            }
            if (const auto* m = std::get_if<MessageReceived>(&*event)) got[i].push_back(m->bytes);
          }
          break;
        case 1:
        case 2: {
          // Buffers of any size, too small ones as well.
          const size_t size = random.chance(0.5) ? buffer.size() : random.below(4'000);
          if (const auto batch = end.poll_transmit(now, MutableBytes(buffer).first(size)))
            wire.push_back({1 - i, Bytes(buffer.begin(), buffer.begin() + ptrdiff_t(batch->size)),
                            batch->segment_size});
          break;
        }
        case 3:
          if (!wire.empty()) {
            const size_t which = random.below(wire.size());
            Flying flying = wire[which];
            if (!random.chance(0.1)) wire.erase(wire.begin() + ptrdiff_t(which));
            ends[flying.to].on_datagrams(now, {at[flying.to], at[1 - flying.to]}, Ecn::not_ect,
                                         flying.segment_size, flying.bytes);
          }
          break;
        case 4:
          end.on_timeout(now);
          break;
        case 5:
          now += std::chrono::microseconds(random.below(20'000));
          break;
        case 6:
          if (open[i] && sent[i] < wanted &&
              end.send_message(now, *ids[i], Priority::normal,
                               shared_pattern(sent[i] * 333, sent[i])))
            ++sent[i];
          break;
      }
      if (step % 50 == 0) REQUIRE(end.is_consistent());
    }
    for (size_t i = 0; i < 2; ++i) {
      REQUIRE(got[i].size() == wanted);
      std::sort(got[i].begin(), got[i].end(), [](auto& a, auto& b) { return a.size() < b.size(); });
      for (uint64_t n = 0; n < wanted; ++n) CHECK(got[i][n] == pattern(n * 333, n));
    }
  }
}

TEST_CASE("a thousand idle connections cost no timer work but their keep-alives") {
  EndpointConfig config = pair_config();
  config.keep_alive = 10s;
  config.half_open_max = 4'000;
  Random random(seed_from(1));
  Endpoint hub(config, random.fork());
  const Address hub_at = Address::v4(10, 9, 9, 9, 1);
  std::vector<std::unique_ptr<Endpoint>> members;
  auto address = [](size_t i) { return Address::v4(10, 0, uint8_t(i >> 8), uint8_t(i), 1'000); };
  Instant now{1s};
  Bytes buffer(batch_bytes_max);
  size_t connected = 0;
  auto pump_all = [&] {
    for (bool busy = true; busy;) {
      busy = false;
      while (const auto batch = hub.poll_transmit(now, buffer)) {
        busy = true;
        const size_t to = size_t{batch->path.remote.ip[14]} << 8 | batch->path.remote.ip[15];
        members[to]->on_datagrams(now, {address(to), hub_at}, Ecn::not_ect, batch->segment_size,
                                  MutableBytes(buffer).first(batch->size));
      }
      while (const auto event = hub.poll_event())
        connected += std::holds_alternative<Connected>(*event) ? 1 : 0;
      for (size_t i = 0; i < members.size(); ++i) {
        while (members[i]->poll_event()) {
        }
        while (const auto batch = members[i]->poll_transmit(now, buffer)) {
          busy = true;
          hub.on_datagrams(now, {hub_at, address(i)}, Ecn::not_ect, batch->segment_size,
                           MutableBytes(buffer).first(batch->size));
        }
      }
    }
  };
  constexpr size_t count = 1'000;
  for (size_t i = 0; i < count; ++i) {
    members.push_back(std::make_unique<Endpoint>(config, random.fork()));
    members[i]->connect(now, {address(i), hub_at});
  }
  size_t hub_timeouts = 0;
  size_t in_a_quiet_second = 0;
  pump_all();
  const Instant until = now + 60s;
  for (;;) {
    Instant next = hub.next_timeout();
    for (const auto& member : members) next = std::min(next, member->next_timeout());
    if (next > until) break;
    now = next;
    if (hub.next_timeout() <= now) {
      hub.on_timeout(now);
      ++hub_timeouts;
      in_a_quiet_second += now > until - 57s && now < until - 51s ? 1 : 0;
    }
    for (const auto& member : members)
      if (member->next_timeout() <= now) member->on_timeout(now);
    pump_all();
    REQUIRE(hub.next_timeout() > now);
  }
  CHECK(connected == count);
  CHECK(hub.connections().size() == count);
  CHECK(hub.is_consistent());
  // Each keep-alive interval: the PING, the ack, and at most a few deadlines for it.
  CHECK(hub_timeouts <= 6 * 4 * count);
  CHECK(in_a_quiet_second == 0);
}

TEST_CASE("bulk on one connection does not starve another") {
  Random random(seed_from(1));
  Endpoint hub({}, random.fork());
  Endpoint one({}, random.fork());
  Endpoint two({}, random.fork());
  const Address hub_at = Address::v4(10, 0, 0, 9, 9);
  const Address one_at = Address::v4(10, 0, 0, 1, 1);
  const Address two_at = Address::v4(10, 0, 0, 2, 2);
  Instant now{1s};
  Bytes buffer(batch_bytes_max);
  auto pump_all = [&] {
    for (bool busy = true; busy;) {
      busy = false;
      for (Endpoint* end : {&hub, &one, &two}) {
        const Address from = end == &hub ? hub_at : end == &one ? one_at : two_at;
        while (const auto batch = end->poll_transmit(now, buffer)) {
          busy = true;
          Endpoint& to = batch->path.remote == hub_at   ? hub
                         : batch->path.remote == one_at ? one
                                                        : two;
          to.on_datagrams(now, {batch->path.remote, from}, Ecn::not_ect, batch->segment_size,
                          MutableBytes(buffer).first(batch->size));
        }
      }
    }
  };
  const auto to_one = hub.connect(now, {hub_at, one_at});
  const auto to_two = hub.connect(now, {hub_at, two_at});
  pump_all();
  now += 1s;
  for (const auto id : {to_one, to_two})
    for (uint64_t i = 0; i < 10; ++i)
      REQUIRE(hub.send_message(now, *id, Priority::normal, shared_pattern(50'000, i)));
  std::vector<Address> turns;
  while (const auto batch = hub.poll_transmit(now, buffer)) turns.push_back(batch->path.remote);
  REQUIRE(turns.size() >= 2);
  for (size_t i = 1; i < turns.size(); ++i) CHECK(turns[i] != turns[i - 1]);
}
