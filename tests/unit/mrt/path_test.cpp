// SPDX-License-Identifier: MIT
#include "mrt/path.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

// Largest payloads of paths: the least there is, IPv6's 1280, tunnels, PPPoE, Ethernet, jumbo
// frames under IPv4, an odd cap, and loopback.
constexpr std::array<size_t, 10> path_sizes = {1'200, 1'232, 1'280, 1'400, 1'420,
                                               1'464, 1'472, 8'972, 9'000, 65'535};

// A socket buffer of the peer's in which the largest packets have room; and a small one of our own,
// for the wire of a Pair has no other end to its speed.
EndpointConfig roomy_config() {
  EndpointConfig config = pair_config();
  config.socket_buffer_bytes = 4'000'000;
  config.send_buffer_bytes = 150'000;
  return config;
}

// Bytes both ways without end, on the first stream.
struct BothWays {
  explicit BothWays(Pair& world) : pair(world) {}

  void run(Duration time) {
    pair.run(time, [&] {
      for (const Pair::Side side : {Pair::left, Pair::right}) {
        pair[side].write(pair.now, *pair.id[side], first_stream, block);
        Bytes& arrived = pair.streams[side][first_stream];
        got[side] += arrived.size();
        arrived.clear();
      }
      return false;
    });
  }
  // Until both sides have found what a path carries.
  bool find(size_t size, Duration limit) {
    const auto found = [&](Pair::Side side) {
      return mtu(side) + 16 >= std::min<size_t>(size, 65'507);
    };
    for (Duration time{}; time < limit && !(found(Pair::left) && found(Pair::right)); time += 100ms)
      run(100ms);
    return found(Pair::left) && found(Pair::right);
  }
  ConnectionStats stats(Pair::Side side) const { return *pair[side].stats(*pair.id[side]); }
  size_t mtu(Pair::Side side) const { return stats(side).mtu_bytes; }

  Pair& pair;
  Bytes block = pattern(100'000, 1);
  std::array<size_t, 2> got{};
};

// What a search on a path that carries so much finds, and with how many probes. Every probe is
// answered after a round trip of 10 ms, but for a share of `loss`.
struct Search {
  size_t found = 0;
  size_t probes = 0;
};
Search search(MtuProber& prober, Instant& now, size_t path, double loss, Random& random) {
  Search out;
  while (const auto size = prober.probe_due(now, uint64_t{1} << 40)) {
    ++out.probes;
    prober.on_probe_sent(now, *size, 30ms);
    if (*size <= path && !random.chance(loss)) {
      now += 10ms;
      prober.on_probe_acked(*size);
    } else {
      now = prober.deadline();
      prober.on_timeout(now, loss);
    }
    REQUIRE(out.probes < 1'000);
  }
  out.found = prober.packet_bytes();
  return out;
}

}  // namespace

TEST_CASE("a connection survives its peer's address changing") {
  for (const Address& moved : {Address::v4(192, 0, 2, 1, 5555), Address::v4(203, 0, 113, 9, 42)}) {
    CAPTURE(moved.to_string());
    Pair pair;
    REQUIRE(pair.connect());
    pair.run(1s);
    pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, pattern(500'000, 1));
    pair.run(12ms);
    pair.move(Pair::left, moved);
    pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                  shared_pattern(10, 1));
    REQUIRE(
        pair.run(10s, [&] { return pair.streams[Pair::left][first_stream].size() == 500'000; }));
    CHECK(pair.messages[Pair::right].size() == 1);
    REQUIRE(pair.find<PathChanged>(Pair::right));
    CHECK(pair.find<PathChanged>(Pair::right)->path.remote == moved);
    CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == moved);
    CHECK(pair[Pair::right].is_consistent());
    // A call to the new address is this connection.
    CHECK(pair[Pair::right].connect(pair.now, pair.path_from(Pair::right)) == pair.id[Pair::right]);
  }
}

TEST_CASE(
    "an address that proves nothing gets at most three times what came from it, then the old one "
    "is back") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  const Path old = pair[Pair::right].stats(*pair.id[Pair::right])->path;
  const Address victim = Address::v4(203, 0, 113, 1, 80);
  pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, pattern(2'000'000, 1));
  forger.silence();
  const Bytes packet = forger.packet([](Writer& out) {
    write_frame(out, PingFrame{});
    out.zeros(500);
  });
  size_t to_victim = 0;
  pair.watch = [&](Pair::Side from, const Path& path, ByteView sent) {
    if (from == Pair::right && path.remote == victim) to_victim += sent.size();
  };
  pair.deliver(Pair::right, {pair.address(Pair::right), victim}, packet);
  pair.run(10ms);
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == victim);
  pair.run(5s);
  CHECK(to_victim > 0);
  CHECK(to_victim <= 3 * packet.size());
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == old.remote);
  CHECK(!pair.closed(Pair::right));
}

TEST_CASE("an address that may be sent a few bytes more gets what fits into them, or nothing") {
  // The challenge takes 1200 of three times what came; an ack with long numbers is due as well.
  for (size_t size = 406; size <= 440; ++size) {
    CAPTURE(size);
    Pair pair;
    Forger forger(pair, Pair::left);
    REQUIRE(pair.connect());
    pair.run(1s);
    forger.silence();
    const auto ping = [](Writer& out) { write_frame(out, PingFrame{}); };
    pair.deliver(Pair::right, pair.path_from(Pair::right), forger.packet(ping, 2'000'000'000));
    pair.run(100ms);
    const size_t bare = forger.packet(ping).size();
    const Bytes packet = forger.packet([&](Writer& out) {
      ping(out);
      out.zeros(size - bare);
    });
    const Address elsewhere = Address::v4(203, 0, 113, 1, 80);
    size_t answered = 0;
    pair.watch = [&](Pair::Side, const Path& path, ByteView sent) {
      if (path.remote == elsewhere) answered += sent.size();
    };
    pair.deliver(Pair::right, {pair.address(Pair::right), elsewhere}, packet);
    pair.run(10s);
    CHECK(answered >= 1'200);
    CHECK(answered <= 3 * packet.size());
    CHECK(pair[Pair::right].is_consistent());
  }
}

TEST_CASE("a path that was left unproven gets no late answer: three times is all") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  const Address victim = Address::v4(203, 0, 113, 1, 80);
  forger.silence();
  // More challenges than may be answered there: some answers have to wait.
  const Bytes packet = forger.packet([](Writer& out) {
    for (uint64_t i = 0; i < 4; ++i) write_frame(out, PathChallengeFrame{i});
    out.zeros(500);
  });
  const Bytes from_home = forger.packet([](Writer& out) { write_frame(out, PingFrame{}); });
  size_t to_victim = 0;
  pair.watch = [&](Pair::Side from, const Path& path, ByteView sent) {
    if (from == Pair::right && path.remote == victim) to_victim += sent.size();
  };
  pair.deliver(Pair::right, {pair.address(Pair::right), victim}, packet);
  pair.pump_both();
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == victim);
  CHECK(to_victim > 2 * packet.size());
  // The peer is at home again, where everything may be sent.
  pair.deliver(Pair::right, pair.path_from(Pair::right), from_home);
  pair.run(2s);
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == pair.address(Pair::left));
  CHECK(to_victim <= 3 * packet.size());
}

TEST_CASE("a replay from elsewhere does not move the connection") {
  Pair pair;
  std::vector<Bytes> packets;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left) packets.emplace_back(packet.begin(), packet.end());
  };
  REQUIRE(pair.connect());
  pair.run(1s);
  const Address elsewhere = Address::v4(203, 0, 113, 1, 80);
  for (Bytes& packet : packets)
    pair.deliver(Pair::right, {pair.address(Pair::right), elsewhere}, packet);
  pair.pump_both();
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == pair.address(Pair::left));
}

TEST_CASE("the validator: allowance, response, and return to the last proven address") {
  const Address here = Address::v4(192, 0, 2, 1, 1);
  const Address there = Address::v4(192, 0, 2, 2, 2);
  const Address third = Address::v4(192, 0, 2, 3, 3);
  Instant now{1s};
  PathValidator path({{}, here}, true);
  CHECK(path.allowance() == SIZE_MAX);
  CHECK(path.move_to(now, {{}, there}, 100, 42, 50ms));
  CHECK(path.allowance() == 300);
  path.on_sent(250);
  CHECK(path.allowance() == 50);
  path.on_sent(250);
  CHECK(path.allowance() == 0);
  path.on_received(here, 1'000);
  CHECK(path.allowance() == 0);
  path.on_received(there, 100);
  CHECK(path.allowance() == 100);
  CHECK(path.challenge_to_send() == uint64_t{42});
  path.on_challenge_sent();
  CHECK(!path.challenge_to_send());
  CHECK(!path.on_response(41));
  CHECK(path.on_response(42));
  CHECK(path.proven());
  CHECK(path.deadline() == never);

  // Unanswered three times: back.
  path.move_to(now, {{}, third}, 100, 43, 50ms);
  int rounds = 0;
  while (path.path().remote == third) {
    now = path.deadline();
    path.on_timeout(now);
    ++rounds;
  }
  CHECK(rounds == 3);
  CHECK(path.path().remote == there);
  CHECK(path.proven());
  CHECK(!path.on_response(43));

  // Moving on before the proof, then home: home was proven before.
  CHECK(path.move_to(now, {{}, third}, 1, 44, 50ms));
  CHECK(path.move_to(now, {{}, here}, 1, 45, 50ms));
  CHECK(!path.move_to(now, {{}, there}, 1, 46, 50ms));
  CHECK(path.proven());
}

TEST_CASE("the prober finds any size to within 16 bytes, the usual ones exactly, with few probes") {
  Random random(seed_from(1));
  const auto probes_for = [&](size_t path) {
    MtuProber prober(65'507);
    Instant now{1s};
    const Search result = search(prober, now, path, 0, random);
    CAPTURE(path);
    CHECK(result.found <= path);
    CHECK(result.found + 16 >= std::min<size_t>(path, 65'507));
    return result.probes;
  };
  size_t most = 0;
  for (size_t path = 1'200; path <= 10'000; ++path) most = std::max(most, probes_for(path));
  for (size_t path = 10'000; path <= 65'535; path += 101) most = std::max(most, probes_for(path));
  CHECK(most <= 50);
  for (const size_t usual : {1'200u, 1'232u, 1'400u, 1'452u, 1'472u, 8'952u, 8'972u}) {
    MtuProber prober(65'507);
    Instant now{1s};
    const Search result = search(prober, now, usual, 0, random);
    CHECK(result.found == usual);
    CHECK(result.probes <= 6 + 6);
  }
  CHECK(probes_for(65'535) == 12);
}

TEST_CASE("random loss of 20 or 30 % ends a search wrongly at most one time in a hundred") {
  for (const double loss : {0.05, 0.2, 0.3}) {
    Random random(seed_from(2));
    int wrong = 0;
    for (int i = 0; i < 1'000; ++i) {
      const size_t path = path_sizes[random.below(path_sizes.size())];
      MtuProber prober(65'507);
      Instant now{1s};
      const Search result = search(prober, now, path, loss, random);
      CHECK(result.found <= path);
      if (result.found + 16 < std::min<size_t>(path, 65'507)) ++wrong;
    }
    CAPTURE(loss);
    CHECK(wrong <= 10);
  }
}

TEST_CASE("a search that has ended begins anew after ten minutes, and an ack that is late counts") {
  Random random(seed_from(1));
  MtuProber prober(10'000);
  Instant now{1s};
  CHECK(!prober.probe_due(now, 0));
  const uint64_t much = uint64_t{1} << 40;
  CHECK(prober.probe_due(now, much));
  CHECK(search(prober, now, 1'472, 0, random).found == 1'472);
  CHECK(prober.deadline() == never);
  CHECK(!prober.probe_due(now + 599s, much));
  REQUIRE(prober.probe_due(now + 600s, much) == size_t{8'952});
  now += 600s;
  prober.on_probe_sent(now, 8'952, 10ms);
  CHECK(!prober.probe_due(now, much));  // one at a time
  for (int i = 0; i < 3; ++i) {
    now = prober.deadline();
    prober.on_timeout(now, 0);
    if (const auto again = prober.probe_due(now, much)) prober.on_probe_sent(now, *again, 10ms);
  }
  CHECK(prober.on_probe_acked(8'952));
  CHECK(prober.packet_bytes() == 8'952);
  CHECK(!prober.on_probe_acked(20'000));
  CHECK(search(prober, now, 9'000, 0, random).found == 8'972);
}

TEST_CASE(
    "only losses beyond chance, in two rounds and with no arrival between, are a black hole") {
  const auto grown = [] {
    MtuProber prober(10'000);
    prober.on_probe_acked(1'400);
    return prober;
  };
  // On a path that loses nothing: four packets in two rounds.
  MtuProber clean = grown();
  CHECK(!clean.on_large_lost(50, 0));
  clean.on_large_acked();
  CHECK(!clean.on_large_lost(3, 0));
  CHECK(clean.on_large_lost(1, 0));
  CHECK(clean.packet_bytes() == packet_bytes_initial);
  CHECK(!clean.on_large_lost(100, 0));
  CHECK(clean.probe_due(Instant{1s}, uint64_t{1} << 40));  // and is searched at once
  // Where 30 % are lost anyway, four in a row are nothing.
  MtuProber lossy = grown();
  for (int i = 0; i < 11; ++i) CHECK(!lossy.on_large_lost(1, 0.3));
  CHECK(lossy.on_large_lost(1, 0.3));
  // A share that the hole itself has raised counts up to a half.
  MtuProber late = grown();
  CHECK(!late.on_large_lost(10, 0.99));
  CHECK(late.on_large_lost(10, 0.99));
}

TEST_CASE("both directions find what the path carries, at 0 and at 20 % loss") {
  for (const double loss : {0.0, 0.2}) {
    for (const size_t size : path_sizes) {
      CAPTURE(loss);
      CAPTURE(size);
      Pair pair(size, {.delay = 10ms, .loss = loss, .mtu = size}, roomy_config());
      REQUIRE(pair.connect());
      BothWays bulk(pair);
      CHECK(bulk.find(size, 60s));
      bulk.run(1s);
      for (const Pair::Side side : {Pair::left, Pair::right}) {
        CHECK(bulk.mtu(side) <= size);
        if (loss == 0) CHECK(bulk.stats(side).packets_lost == 0);  // by lost probes, that is
      }
      CHECK(bulk.got[Pair::left] > 100'000);
      CHECK(bulk.got[Pair::right] > 100'000);
    }
  }
}

TEST_CASE("a path that shrinks under way is a black hole for some time-outs, not for seconds") {
  for (const double loss : {0.0, 0.2}) {
    for (const auto& [before, after] : {std::pair<size_t, size_t>{65'535, 1'472},
                                        {8'972, 1'420},
                                        {1'472, 1'232},
                                        {9'000, 1'200}}) {
      CAPTURE(loss);
      CAPTURE(before);
      Pair pair(before + 3, {.delay = 20ms, .loss = loss, .mtu = before}, roomy_config());
      REQUIRE(pair.connect());
      BothWays bulk(pair);
      REQUIRE(bulk.find(before, 30s));
      bulk.run(1s);
      pair.weather.mtu = after;
      const auto lost = bulk.got;
      // A probe time-out is some 40 + 25 ms and the variance of the round trip.
      bulk.run(loss > 0 ? 6s : 1s);
      for (const Pair::Side side : {Pair::left, Pair::right}) {
        CHECK(bulk.mtu(side) <= after);
        CHECK(bulk.got[side] > lost[side] + 10'000);
      }
      CHECK(bulk.find(after, loss > 0 ? 60s : 10s));
    }
  }
}

TEST_CASE("a path that grows under way is noticed within ten minutes") {
  Pair pair(1, {.delay = 20ms, .mtu = 1'420}, roomy_config());
  REQUIRE(pair.connect());
  BothWays bulk(pair);
  bulk.run(10s);
  CHECK(bulk.mtu(Pair::left) >= 1'404);
  CHECK(bulk.mtu(Pair::left) <= 1'420);
  pair.weather.mtu = 8'972;
  // Quiet for a while, so that the test is quick; then traffic again.
  pair.run(600s);
  bulk.run(5s);
  CHECK(bulk.mtu(Pair::left) == 8'972);
  CHECK(bulk.mtu(Pair::right) == 8'972);
}

TEST_CASE("20 or 30 % random loss is taken for a black hole hardly ever") {
  for (const double loss : {0.2, 0.3}) {
    CAPTURE(loss);
    size_t falls = 0;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Pair pair(seed, {.delay = 20ms, .loss = loss, .mtu = 8'972}, roomy_config());
      REQUIRE(pair.connect());
      BothWays bulk(pair);
      size_t last = 0;
      for (int i = 0; i < 600; ++i) {
        bulk.run(100ms);
        if (bulk.mtu(Pair::left) < last) ++falls;
        last = bulk.mtu(Pair::left);
      }
      CHECK(last == 8'972);
    }
    // In five minutes of traffic.
    CHECK(falls <= 1);
  }
}

TEST_CASE("a probe of the packet size is never in the way of data") {
  // What is said goes at once, however many probes are out or lost; and costs no window.
  Pair pair(1, {.delay = 20ms, .mtu = 1'300}, roomy_config());
  REQUIRE(pair.connect());
  size_t probes_lost = 0;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left && packet.size() > pair.weather.mtu) ++probes_lost;
  };
  Bytes sent;
  std::vector<Instant> said;
  std::vector<Duration> took;
  for (uint64_t i = 0; i < 200; ++i) {
    said.push_back(pair.now);
    pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                  shared_pattern(1'000, i));
    pair.run(10ms, [&] {
      while (took.size() < pair.messages[Pair::right].size())
        took.push_back(pair.now - said[took.size()]);
      return false;
    });
  }
  CHECK(probes_lost >= 3);
  CHECK(took.size() > 190);
  for (const Duration time : took) CHECK(time == 20ms);
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->packets_lost == 0);
}

TEST_CASE("a new path starts with small packets and its own search") {
  Pair pair(1, {.delay = 20ms, .mtu = 8'972}, roomy_config());
  REQUIRE(pair.connect());
  BothWays bulk(pair);
  bulk.run(5s);
  CHECK(bulk.mtu(Pair::right) == 8'972);
  pair.weather.mtu = 1'400;
  pair.move(Pair::left, Address::v4(203, 0, 113, 9, 42));
  const size_t before = bulk.got[Pair::left];
  bulk.run(5s);
  // The one who sees the other's address change; the one that has moved finds a black hole.
  CHECK(bulk.mtu(Pair::right) == 1'400);
  CHECK(bulk.mtu(Pair::left) == 1'400);
  CHECK(bulk.got[Pair::left] > before + 100'000);
}
