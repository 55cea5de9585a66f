// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>

#include "mrt/handshake.h"
#include "mrt/wire.h"
#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

namespace {

const auto lose_all = [](Pair::Side, const Path&, ByteView) { return true; };

}  // namespace

TEST_CASE("a close is one Closed event at each side, and no command works afterwards") {
  Pair pair;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  left.close(pair.now, id, CloseCode::application, "enough");
  CHECK(!left.send_message(pair.now, id, Priority::normal, shared_pattern(5, 1)));
  CHECK(left.write(pair.now, id, first_stream, pattern(5, 1)) == 0);
  CHECK(!left.open_stream(id, Priority::normal));
  CHECK(!left.send_datagram(pair.now, id, pattern(5, 1)));
  CHECK(left.send_room(id) == 0);
  CHECK(!left.stats(id));
  left.close(pair.now, id, CloseCode::application, "again");
  pair.run(10s);
  CHECK(pair.count<Closed>(Pair::left) == 1);
  REQUIRE(pair.count<Closed>(Pair::right) == 1);
  CHECK(pair.closed(Pair::right)->code == CloseCode::application);
  CHECK(pair.closed(Pair::right)->reason == "enough");
  CHECK(pair[Pair::left].next_timeout() == never);
  CHECK(pair[Pair::right].next_timeout() == never);
}

TEST_CASE("a lost close is repeated") {
  Pair pair;
  REQUIRE(pair.connect());
  int lost = 0;
  pair.drop = [&](Pair::Side from, const Path&, ByteView) {
    return from == Pair::left && ++lost <= 2;
  };
  pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::none, "");
  REQUIRE(pair.run(5s, [&] { return pair.closed(Pair::right) != nullptr; }));
  CHECK(pair.closed(Pair::right)->code == CloseCode::none);
}

TEST_CASE("what comes during the closing period is answered with RCLS, ever more rarely") {
  Pair pair;
  REQUIRE(pair.connect());
  pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::none, "");
  pair.drop = lose_all;
  pair.pump_both();
  const size_t before = pair.datagrams_sent[Pair::left];
  std::vector<Bytes> packets;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::right) packets.emplace_back(packet.begin(), packet.end());
  };
  for (uint64_t i = 0; i < 100; ++i) {
    pair[Pair::right].send_datagram(pair.now, *pair.id[Pair::right], pattern(10, i));
    pair.pump_both();
  }
  CHECK(packets.size() >= 8);
  for (Bytes& packet : packets) {
    pair.deliver(Pair::left, pair.path_from(Pair::left), packet);
    pair.pump_both();
  }
  const size_t answers = pair.datagrams_sent[Pair::left] - before;
  CHECK(answers >= 3);
  CHECK(answers <= 8);
}

TEST_CASE("when all of the close is lost, a RESET ends the connection") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.drop = lose_all;
  pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::none, "");
  pair.run(8s);
  pair.drop = nullptr;
  CHECK(!pair.closed(Pair::right));
  // The keep-alive of the right side meets an endpoint that knows nothing of it.
  REQUIRE(pair.run(12s, [&] { return pair.closed(Pair::right) != nullptr; }));
  CHECK(pair.closed(Pair::right)->code == CloseCode::reset);
}

TEST_CASE("a RESET with a wrong token, or for another connection, is dropped") {
  Pair pair;
  uint64_t left_cid = 0;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    if (const auto rcon = read_rcon(packet)) left_cid = rcon->scid;
  };
  REQUIRE(pair.connect());
  const size_t dropped = pair[Pair::right].endpoint_stats().datagrams_dropped;
  ResetToken token{};
  pair.deliver(Pair::right, pair.path_from(Pair::right), write_packet(Reset{left_cid, token}));
  pair.deliver(Pair::right, pair.path_from(Pair::right), write_packet(Reset{1, token}));
  pair.run(1s);
  CHECK(!pair.closed(Pair::right));
  CHECK(pair[Pair::right].endpoint_stats().datagrams_dropped > dropped);
}

TEST_CASE("RESETs are shorter than what they answer, and limited") {
  Pair pair;
  Bytes stray(short_packet_bytes_min, 0x11);
  stray[0] = 0x40;
  for (int i = 0; i < 500; ++i) {
    pair.deliver(Pair::right, pair.path_from(Pair::right), stray);
    pair.pump_both();
  }
  CHECK(pair.datagrams_sent[Pair::right] == 100);
  CHECK(pair.bytes_sent[Pair::right] == 100 * reset_packet_bytes);
  CHECK(reset_packet_bytes < short_packet_bytes_min);
  // Two endpoints that both know nothing do not keep each other busy.
  pair.run(10s);
  CHECK(pair.datagrams_sent[Pair::left] == 0);
}

TEST_CASE("silence for the idle time-out closes; a keep-alive keeps open") {
  EndpointConfig config = pair_config();
  config.keep_alive = Duration{};
  config.idle_timeout = 5s;
  Pair pair(1, {}, config);
  REQUIRE(pair.connect());
  pair.run(4s);
  CHECK(!pair.closed(Pair::left));
  pair.run(2s);
  REQUIRE(pair.closed(Pair::left));
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::left)->code == CloseCode::idle_timeout);

  config.keep_alive = 1s;
  Pair alive(1, {}, config);
  REQUIRE(alive.connect());
  const size_t before = alive.datagrams_sent[Pair::left] + alive.datagrams_sent[Pair::right];
  alive.run(100s);
  CHECK(!alive.closed(Pair::left));
  CHECK(!alive.closed(Pair::right));
  // One PING and its ack a second, not one from each side.
  const size_t sent = alive.datagrams_sent[Pair::left] + alive.datagrams_sent[Pair::right] - before;
  CHECK(sent >= 150);
  CHECK(sent <= 320);
  // It may be changed while the connection is open.
  for (const auto side : {Pair::left, Pair::right}) alive[side].set_keep_alive(4s);
  alive.run(100s);
  const size_t later =
      alive.datagrams_sent[Pair::left] + alive.datagrams_sent[Pair::right] - before - sent;
  CHECK(later >= 35);
  CHECK(later <= 80);
}

TEST_CASE("a keep-alive that gets no answer ends in idle_timeout, not in a flood") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  pair.drop = lose_all;
  const size_t before = pair.datagrams_sent[Pair::left];
  pair.run(40s);
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == CloseCode::idle_timeout);
  CHECK(pair.datagrams_sent[Pair::left] - before <= 60);
}

TEST_CASE("a peer that was frozen for 20 s goes on within two seconds of waking") {
  Pair pair;
  REQUIRE(pair.connect());
  const Bytes text = pattern(50'000, 3);
  pair.drop = lose_all;
  CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, text) == text.size());
  pair.run(20s);
  pair.drop = nullptr;
  const Instant woken = pair.now;
  REQUIRE(
      pair.run(10s, [&] { return pair.streams[Pair::right][first_stream].size() == text.size(); }));
  CHECK(pair.now - woken < 3s);
  CHECK(pair.streams[Pair::right][first_stream] == text);
}

TEST_CASE("close_when_sent delivers all before it closes, and gives up at its limit") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, {.loss = 0.2});
    REQUIRE(pair.connect());
    for (uint64_t i = 0; i < 20; ++i)
      pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                    shared_pattern(2'000, i));
    pair[Pair::left].close_when_sent(pair.now, *pair.id[Pair::left], CloseCode::none, "bye", 30s);
    CHECK(!pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                         shared_pattern(1, 1)));
    REQUIRE(pair.run(40s, [&] { return pair.closed(Pair::left) != nullptr; }));
    CHECK(pair.messages[Pair::right].size() == 20);
    CHECK(pair.run(30s, [&] { return pair.closed(Pair::right) != nullptr; }));
  }
  Pair dead;
  REQUIRE(dead.connect());
  dead.drop = lose_all;
  dead[Pair::left].send_message(dead.now, *dead.id[Pair::left], Priority::normal,
                                shared_pattern(1, 1));
  dead[Pair::left].close_when_sent(dead.now, *dead.id[Pair::left], CloseCode::none, "", 1s);
  dead.run(900ms);
  CHECK(!dead.closed(Pair::left));
  dead.run(200ms);
  CHECK(dead.closed(Pair::left));
}

TEST_CASE(
    "whoever is quicker, one Closed follows close_when_sent: what waits for it waits not on") {
  Pair pair;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  left.send_message(pair.now, id, Priority::normal, shared_pattern(5, 1));
  const auto leave = [&] { left.close_when_sent(pair.now, id, CloseCode::none, "bye", 500ms); };
  SUBCASE("the peer had closed, and nobody has seen that yet") {
    pair.polls_events[Pair::left] = false;
    pair[Pair::right].close(pair.now, *pair.id[Pair::right], CloseCode::application, "");
    pair.run(100ms);
    leave();
    pair.run(100ms);
    pair.polls_events[Pair::left] = true;
  }
  SUBCASE("the peer closes meanwhile") {
    leave();
    pair[Pair::right].close(pair.now, *pair.id[Pair::right], CloseCode::application, "");
  }
  SUBCASE("the peer is gone") {
    pair.drop = lose_all;
    leave();
  }
  SUBCASE("another connection of the peer replaces it") {
    pair.drop = [](Pair::Side from, const Path&, ByteView) { return from == Pair::right; };
    leave();
    pair.replace(Pair::right, pair_config(), 7);
    pair.drop = nullptr;
    pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
  }
  SUBCASE("asked again and again") {
    for (int i = 0; i < 3; ++i) leave();
    left.close(pair.now, id, CloseCode::none, "");
    leave();
  }
  const auto closes = [&] {
    pair.run(1s);
    return std::ranges::count_if(pair.events[Pair::left], [&](const Event& event) {
      const auto* closed = std::get_if<Closed>(&event);
      return closed && closed->connection == id;
    });
  };
  CHECK(closes() == 1);
  leave();
  CHECK(closes() == 1);
}

TEST_CASE("a call that is not answered yet ends in one Closed, too") {
  Pair pair;
  pair.drop = lose_all;
  const auto id = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  REQUIRE(id);
  pair.run(100ms);
  pair[Pair::left].close_when_sent(pair.now, *id, CloseCode::none, "", 500ms);
  pair.run(20s);
  CHECK(pair.count<Closed>(Pair::left) == 1);
}

TEST_CASE("close_when_sent with nothing to send closes at once") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  pair[Pair::left].close_when_sent(pair.now, *pair.id[Pair::left], CloseCode::none, "", 10s);
  pair.pump_both();
  CHECK(pair.closed(Pair::left));
}
