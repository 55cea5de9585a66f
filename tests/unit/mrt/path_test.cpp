// SPDX-License-Identifier: MIT
#include "mrt/path.h"

#include <doctest/doctest.h>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

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

TEST_CASE("the prober: three failures end a search, ten minutes begin it anew") {
  MtuProber prober(10'000);
  Instant now{1s};
  CHECK(!prober.probe_due(now, 0));
  const uint64_t much = uint64_t{1} << 40;
  size_t probes = 0;
  std::vector<size_t> sizes;
  while (const auto size = prober.probe_due(now, much)) {
    ++probes;
    prober.on_probe_sent(now, *size, 10ms);
    CHECK(!prober.probe_due(now, much));  // one at a time
    if (*size <= 1'472) {
      CHECK(prober.on_probe_acked(*size));
    } else {
      now = prober.deadline();
      prober.on_timeout(now);
    }
    REQUIRE(probes < 20);
  }
  CHECK(prober.packet_bytes() == 1'472);
  CHECK(probes == 3 + 3);
  CHECK(prober.deadline() == never);
  CHECK(!prober.probe_due(now + 599s, much));
  CHECK(prober.probe_due(now + 600s, much) == size_t{8'952});
  // The ack of a probe that was given up still counts.
  CHECK(prober.on_probe_acked(8'952));
  CHECK(!prober.on_probe_acked(20'000));
  // Only a run of losses without an arrival is a black hole.
  for (int i = 0; i < 100; ++i) {
    CHECK(!prober.on_large_lost(now));
    CHECK(!prober.on_large_lost(now));
    prober.on_large_acked();
  }
  for (int i = 0; i < 3; ++i) CHECK(!prober.on_large_lost(now));
  CHECK(prober.on_large_lost(now));
  CHECK(prober.packet_bytes() == packet_bytes_initial);
  CHECK(!prober.on_large_lost(now));
}
