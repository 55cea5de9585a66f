// SPDX-License-Identifier: MIT
//
// Keys that are renewed while a connection is at work (WIRE.md 4.5): bulk in bad weather, and
// somebody on the path who repeats and forges. That no key meets a number twice is seal_test's.
#include "unit/mrt/members.h"

#include <doctest/doctest.h>

#include <set>

using namespace mrt;
using namespace mrt::test;

namespace {

constexpr Weather storm{
    .delay = 10ms, .jitter = 3ms, .loss = 0.05, .duplicate = 0.05, .reorder = 0.05};

EndpointConfig with_short_keys(uint8_t identity, uint64_t packets_per_key) {
  EndpointConfig config = sealed_config(identity);
  config.packets_per_key = packets_per_key;
  config.mtu_bytes_max = 1'452;  // many packets
  return config;
}

/// Both sides write so much; all of it arrives.
void bulk_both_ways(Pair& pair, size_t bytes) {
  const Bytes text = pattern(bytes, 1);
  std::array<size_t, 2> written{};
  const bool done = pair.run(600s, [&] {
    for (const Pair::Side side : {Pair::left, Pair::right})
      written[side] += pair[side].write(pair.now, *pair.id[side], first_stream,
                                        ByteView(text).subspan(written[side]));
    return pair.streams[Pair::left][first_stream].size() == bytes &&
           pair.streams[Pair::right][first_stream].size() == bytes;
  });
  REQUIRE(done);
  CHECK(pair.streams[Pair::left][first_stream] == text);
  CHECK(pair.streams[Pair::right][first_stream] == text);
}

uint64_t updates(Pair& pair, Pair::Side side) {
  return pair[side].stats(*pair.id[side])->key_updates;
}

bool key_phase(ByteView packet) { return (packet[0] & 0x20) != 0; }

}  // namespace

TEST_CASE("keys are renewed many times under bulk in bad weather, and nothing is lost by it") {
  for (const uint64_t packets_per_key : {uint64_t{50}, uint64_t{200}}) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
      CAPTURE(packets_per_key);
      CAPTURE(seed);
      Members pair(seed, storm, with_short_keys(1, packets_per_key),
                   with_short_keys(2, packets_per_key));
      std::array<uint64_t, 2> flips{};
      std::array<bool, 2> phase{};
      std::array<uint64_t, 2> sealed{};
      pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
        if (!is_short(packet)) return;
        ++sealed[from];
        flips[from] += key_phase(packet) != phase[from] ? 1 : 0;
        phase[from] = key_phase(packet);
      };
      REQUIRE(pair.connect());
      bulk_both_ways(pair, 3'000'000);
      for (const Pair::Side side : {Pair::left, Pair::right}) {
        // In number order on the wire: each change of the bit is one renewal.
        CHECK(flips[side] == updates(pair, side));
        CHECK(updates(pair, side) >= 5);
        // Each key waits for its acknowledgement, one round trip of full speed at most.
        CHECK(sealed[side] / updates(pair, side) < packets_per_key + 1'500);
        CHECK(pair[side].stats(*pair.id[side])->packets_corrupt < sealed[side] / 10);
      }
    }
  }
}

TEST_CASE("an update alone loses no packet: without bad weather none fails to open") {
  Members pair(1, {.delay = 10ms, .reorder = 0.05}, with_short_keys(1, 50), with_short_keys(2, 50));
  REQUIRE(pair.connect());
  bulk_both_ways(pair, 3'000'000);
  for (const Pair::Side side : {Pair::left, Pair::right}) {
    CHECK(updates(pair, side) >= 5);
    CHECK(pair[side].stats(*pair.id[side])->packets_corrupt == 0);
  }
}

TEST_CASE("only one side sends bulk, and its keys alone are renewed at that pace") {
  Members pair(1, {}, with_short_keys(1, 100), with_short_keys(2, packets_per_key_default));
  REQUIRE(pair.connect());
  const Bytes text = pattern(4'000'000, 1);
  REQUIRE(pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, text) ==
          text.size());
  REQUIRE(
      pair.run(60s, [&] { return pair.streams[Pair::right][first_stream].size() == text.size(); }));
  CHECK(updates(pair, Pair::left) >= 5);
  CHECK(updates(pair, Pair::right) == 0);
}

TEST_CASE("every packet of before, sent again after updates, changes nothing") {
  Members pair(1, {}, with_short_keys(1, 50), with_short_keys(2, 50));
  std::vector<Bytes> recorded;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left) recorded.emplace_back(packet.begin(), packet.end());
  };
  REQUIRE(pair.connect());
  bulk_both_ways(pair, 400'000);
  for (uint64_t i = 0; i < 20; ++i) CHECK(message_passes(pair, Pair::left, i));
  pair.run(5s);
  REQUIRE(updates(pair, Pair::left) >= 3);
  pair.watch = nullptr;
  const auto events = pair.events[Pair::right].size();
  const auto before = *pair[Pair::right].stats(*pair.id[Pair::right]);
  REQUIRE(recorded.size() > 250);
  for (Bytes& packet : recorded)
    pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(packet));
  pair.pump_both();
  const auto after = *pair[Pair::right].stats(*pair.id[Pair::right]);
  CHECK(after.packets_received == before.packets_received);
  CHECK(after.packets_sent == before.packets_sent);
  CHECK(pair.events[Pair::right].size() == events);
  CHECK(pair.messages[Pair::right].size() == 20);
  CHECK(message_passes(pair, Pair::left, 20));
}

TEST_CASE("a forged key phase is dropped, and makes nobody renew or forget a key") {
  Members pair;
  REQUIRE(pair.connect());
  CHECK(message_passes(pair, Pair::left, 1));
  std::vector<Bytes> held;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left && is_short(packet)) held.emplace_back(packet.begin(), packet.end());
  };
  pair.drop = [](Pair::Side from, const Path&, ByteView) { return from == Pair::left; };
  say(pair, Pair::left, shared_pattern(5'000, 2));
  pair.pump_both();
  REQUIRE(held.size() >= 3);
  const auto before = *pair[Pair::right].stats(*pair.id[Pair::right]);
  for (const Bytes& packet : held) {
    for (int times = 0; times < 100; ++times) {
      Bytes forged = packet;
      forged[0] ^= 0x20;
      pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(forged));
    }
  }
  pair.pump_both();
  const auto after = *pair[Pair::right].stats(*pair.id[Pair::right]);
  CHECK(after.packets_corrupt == before.packets_corrupt + 100 * held.size());
  CHECK(after.packets_received == before.packets_received);
  // The real ones still open: a number that failed is not spent.
  for (Bytes& packet : held)
    pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(packet));
  pair.pump_both();
  REQUIRE(pair.messages[Pair::right].size() == 2);
  CHECK(pair.messages[Pair::right].back() == pattern(5'000, 2));
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->packets_corrupt == after.packets_corrupt);
}

TEST_CASE("packets of the key before still open when they are late, up to three probe time-outs") {
  Members pair(1, {}, with_short_keys(1, 50), with_short_keys(2, 50));
  REQUIRE(pair.connect());
  pair.run(1s);
  // A datagram of the old key is held back on the way until the next key is in use.
  std::optional<Bytes> late;
  bool phase = false;
  pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from != Pair::left || !is_short(packet)) return false;
    phase = key_phase(packet);
    if (late || packet.size() < 300) return false;
    late.emplace(packet.begin(), packet.end());
    return true;
  };
  REQUIRE(pair[Pair::left].send_datagram(pair.now, *pair.id[Pair::left], pattern(300, 1)));
  pair.pump_both();
  REQUIRE(late);
  const bool old_phase = key_phase(*late);
  while (phase == old_phase) {
    REQUIRE(pair[Pair::left].send_datagram(pair.now, *pair.id[Pair::left], pattern(10, 2)));
    pair.run(2ms);
  }
  pair.run(6ms);  // the first packet of the new key has arrived
  const size_t before = pair.datagrams[Pair::right].size();
  pair.deliver(Pair::right, pair.path_from(Pair::right), *late);
  pair.pump_both();
  REQUIRE(pair.datagrams[Pair::right].size() == before + 1);
  CHECK(pair.datagrams[Pair::right].back() == pattern(300, 1));
}
