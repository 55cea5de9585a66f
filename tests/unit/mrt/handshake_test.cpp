// SPDX-License-Identifier: MIT
#include "mrt/handshake.h"

#include <doctest/doctest.h>

#include <utility>

#include "mrt/wire.h"
#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

namespace {

bool is_long(ByteView packet, LongType type) {
  return !packet.empty() && packet[0] == static_cast<uint8_t>(type);
}

// Drops the first `count` packets of that type.
auto drop_first(LongType type, int count) {
  return [type, count](Pair::Side, const Path&, ByteView packet) mutable {
    return is_long(packet, type) && count-- > 0;
  };
}

size_t open_count(Pair& pair, Pair::Side side) { return pair[side].connections().size(); }

bool message_passes(Pair& pair, Pair::Side from, uint64_t number) {
  const Pair::Side to = Pair::other(from);
  const size_t before = pair.messages[to].size();
  if (!pair[from].send_message(pair.now, *pair.id[from], Priority::normal,
                               shared_pattern(300, number)))
    return false;
  return pair.run(5s, [&] { return pair.messages[to].size() > before; }) &&
         pair.messages[to].back() == pattern(300, number);
}

}  // namespace

TEST_CASE("a lost ACON is sent again for the repeated RCON") {
  Pair pair;
  pair.drop = drop_first(LongType::acon, 3);
  REQUIRE(pair.connect());
  CHECK(pair.now.time_since_epoch() < 3s);
  CHECK(open_count(pair, Pair::left) == 1);
  CHECK(open_count(pair, Pair::right) == 1);
  CHECK(message_passes(pair, Pair::right, 1));
}

TEST_CASE("a lost first packet of the initiator does not leave the responder half open") {
  Pair pair;
  int dropped = 0;
  pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
    return from == Pair::left && packet_form(packet[0]) == PacketForm::short_packet &&
           ++dropped <= 3;
  };
  REQUIRE(pair.connect());
  CHECK(dropped > 3);
  CHECK(pair.count<Connected>(Pair::right) == 1);
}

TEST_CASE("a repeated or duplicated RCON makes no second connection") {
  Pair pair;
  Bytes rcon;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    if (is_long(packet, LongType::rcon)) rcon.assign(packet.begin(), packet.end());
  };
  pair.weather.duplicate = 1;
  REQUIRE(pair.connect());
  for (int i = 0; i < 10; ++i) {
    pair.deliver(Pair::right, pair.path_from(Pair::right), rcon);
    pair.run(100ms);
  }
  CHECK(pair.count<Connected>(Pair::right) == 1);
  CHECK(open_count(pair, Pair::right) == 1);
  CHECK(pair[Pair::right].is_consistent());
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE("both sides call at once and one connection results, whatever is lost") {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    Pair pair(seed,
              {.delay = 20ms, .jitter = 10ms, .loss = seed % 2 == 0 ? 0.3 : 0.0, .duplicate = 0.1});
    const auto from_left = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
    pair.run(std::chrono::milliseconds(seed % 50));
    const auto from_right = pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
    REQUIRE(pair.run(20s, [&] {
      return pair.find<Connected>(Pair::left) && pair.find<Connected>(Pair::right);
    }));
    pair.run(20s);
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      CHECK(pair.count<Connected>(side) == 1);
      CHECK(pair.count<Closed>(side) == 0);
      CHECK(open_count(pair, side) == 1);
    }
    // The ids that connect() gave are the ones that live.
    CHECK(pair.id[Pair::left] == from_left);
    if (from_right) CHECK(pair.id[Pair::right] == from_right);
    CHECK(pair.find<Connected>(Pair::left)->initiator !=
          pair.find<Connected>(Pair::right)->initiator);
    CHECK(message_passes(pair, Pair::left, 1));
    CHECK(message_passes(pair, Pair::right, 2));
  }
}

TEST_CASE("of two that call at once the smaller handshake id is the initiator") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Pair pair(seed);
    std::array<HandshakeId, 2> ids;
    pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
      if (const auto rcon = read_rcon(packet)) ids[from] = rcon->id;
    };
    pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
    pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
    REQUIRE(pair.run(
        5s, [&] { return pair.find<Connected>(Pair::left) && pair.find<Connected>(Pair::right); }));
    CHECK(pair.find<Connected>(Pair::left)->initiator == (ids[Pair::left] < ids[Pair::right]));
  }
}

TEST_CASE("a restarted peer on the same address joins again, and its old connection ends") {
  Pair pair;
  REQUIRE(pair.connect());
  const ConnectionId old = *pair.id[Pair::right];
  pair.replace(Pair::left, pair_config(), 99);
  pair.events[Pair::left].clear();
  pair.events[Pair::right].clear();
  REQUIRE(pair.connect());
  CHECK(*pair.id[Pair::right] != old);
  CHECK(open_count(pair, Pair::right) == 1);
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->connection == old);
  CHECK(pair.closed(Pair::right)->code == CloseCode::reset);
  CHECK(message_passes(pair, Pair::left, 1));
  CHECK(message_passes(pair, Pair::right, 2));
}

TEST_CASE("an RCON alone does not end the open connection of its address") {
  Pair pair;
  REQUIRE(pair.connect());
  Rcon forged;
  forged.scid = 4711;
  forged.id = {9, 9, 9};
  Builder parameters;
  write_parameters(parameters, {});
  forged.parameters = parameters.take();
  pair.deliver(Pair::right, pair.path_from(Pair::right), write_packet(forged));
  pair.run(15s);
  CHECK(pair.count<Closed>(Pair::right) == 0);
  CHECK(message_passes(pair, Pair::left, 1));
  CHECK(open_count(pair, Pair::right) == 1);
}

TEST_CASE("nobody there: the call ends with handshake_timeout, after a bounded number of packets") {
  Pair pair;
  pair.drop = [](Pair::Side, const Path&, ByteView) { return true; };
  CHECK(!pair.connect(9s));
  CHECK(pair.count<Closed>(Pair::left) == 0);
  pair.run(2s);
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == CloseCode::handshake_timeout);
  // At 0, 100, 200, 300, 500 and 900 ms, and each second from 1.7 s to 9.7 s.
  CHECK(pair.datagrams_sent[Pair::left] == 15);
  CHECK(pair[Pair::left].next_timeout() == never);
}

TEST_CASE("a responder that is never proven forgets the caller without an event") {
  Pair pair;
  pair.drop = [](Pair::Side from, const Path&, ByteView) { return from == Pair::right; };
  CHECK(!pair.connect(30s));
  CHECK(pair.events[Pair::right].empty());
  CHECK(pair[Pair::right].next_timeout() == never);
  CHECK(pair[Pair::right].is_consistent());
  // Never more than it received goes to an address that has shown nothing.
  CHECK(pair.bytes_sent[Pair::right] <= pair.bytes_sent[Pair::left]);
}

TEST_CASE("a listener that does not accept, or is full, refuses at once") {
  EndpointConfig closed_door = pair_config();
  closed_door.accepting = false;
  Pair pair(1, {}, pair_config(), closed_door);
  CHECK(!pair.connect(1s));
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == CloseCode::refused);
  CHECK(pair[Pair::right].endpoint_stats().connections_refused == 1);

  EndpointConfig full = pair_config();
  full.connections_max = 0;
  Pair other(1, {}, pair_config(), full);
  CHECK(!other.connect(1s));
  REQUIRE(other.closed(Pair::left));
  CHECK(other.closed(Pair::left)->reason == "full");
}

TEST_CASE("who does not accept still answers the one it calls itself") {
  EndpointConfig closed_door = pair_config();
  closed_door.accepting = false;
  Pair pair(3, {}, closed_door, closed_door);
  pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
  CHECK(pair.run(
      5s, [&] { return pair.find<Connected>(Pair::left) && pair.find<Connected>(Pair::right); }));
}

TEST_CASE("half full of callers that prove nothing, a listener keeps no state without a cookie") {
  EndpointConfig config = pair_config();
  config.half_open_max = 10;
  Pair pair(1, {}, pair_config(), config);
  Builder parameters;
  write_parameters(parameters, {});
  const Bytes encoded = parameters.take();
  for (uint8_t i = 0; i < 100; ++i) {
    Rcon rcon;
    rcon.scid = 1000u + i;
    rcon.id = {i, 1};
    rcon.parameters = encoded;
    const Path path{pair.address(Pair::right), Address::v4(203, 0, 113, i, 999)};
    pair.deliver(Pair::right, path, write_packet(rcon));
    pair.pump_both();
    CHECK(pair[Pair::right].is_consistent());
  }
  size_t cookies = 0;
  size_t acons = 0;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    cookies += is_long(packet, LongType::cookie) ? 1 : 0;
    acons += is_long(packet, LongType::acon) ? 1 : 0;
  };
  // A real caller gets in all the same: with the cookie.
  REQUIRE(pair.connect(2s));
  CHECK(cookies == (pairs_are_sealed() ? 0 : 1));
  CHECK(acons == 1);
  pair.run(12s);
  CHECK(pair[Pair::right].connections().size() == 1);  // the others are forgotten
}

TEST_CASE("a cookie is good for its address and its time only") {
  Random random(seed_from(1));
  const Secrets secrets(random);
  const Secrets others(random);
  const Address here = Address::v4(192, 0, 2, 1, 7);
  const Instant now{1'000s};
  const Bytes cookie = secrets.cookie(now, here);
  CHECK(secrets.cookie_is_right(now, here, cookie));
  CHECK(secrets.cookie_is_right(now + 10s, here, cookie));
  CHECK(!secrets.cookie_is_right(now + 21s, here, cookie));
  CHECK(!secrets.cookie_is_right(now, Address::v4(192, 0, 2, 1, 8), cookie));
  CHECK(!secrets.cookie_is_right(now, here, ByteView(cookie).first(15)));
  CHECK(!secrets.cookie_is_right(now, here, {}));
  CHECK(!others.cookie_is_right(now, here, cookie));
}

TEST_CASE("an unknown version is answered with the list, and believed only without our own in it") {
  Pair pair;
  Bytes rcon;
  std::vector<Bytes> answers;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left && is_long(packet, LongType::rcon))
      rcon.assign(packet.begin(), packet.end());
    if (from == Pair::right) answers.emplace_back(packet.begin(), packet.end());
  };
  pair.drop = [](Pair::Side, const Path&, ByteView) { return true; };
  CHECK(!pair.connect(50ms));
  const auto scid = read_rcon(rcon)->scid;
  rcon[1] = 9;
  pair.deliver(Pair::right, pair.path_from(Pair::right), rcon);
  pair.pump_both();
  REQUIRE(answers.size() == 1);
  const auto list = read_version_list(answers[0]);
  REQUIRE(list);
  CHECK(list->dcid == scid);
  CHECK(list->versions == Bytes{wire_version});

  pair.deliver(Pair::left, pair.path_from(Pair::left), answers[0]);
  pair.pump_both();
  CHECK(!pair.closed(Pair::left));
  pair.deliver(Pair::left, pair.path_from(Pair::left), write_packet(VersionList{scid, {2, 3}}));
  pair.pump_both();
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->reason == "version");
}

TEST_CASE("a REFUSE or ACON that does not know the handshake id changes nothing") {
  Pair pair;
  Bytes rcon;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    if (is_long(packet, LongType::rcon)) rcon.assign(packet.begin(), packet.end());
  };
  pair.weather.delay = 50ms;
  CHECK(!pair.connect(1ms));
  const auto sent = read_rcon(rcon);
  REQUIRE(sent);
  HandshakeId wrong = sent->id;
  wrong[15] ^= 1;
  pair.deliver(Pair::left, pair.path_from(Pair::left),
               write_packet(Refuse{sent->scid, wrong, 2, "go away"}));
  Acon acon;
  acon.dcid = sent->scid;
  acon.scid = 5;
  acon.initiator_id = wrong;
  pair.deliver(Pair::left, pair.path_from(Pair::left), write_packet(acon));
  REQUIRE(pair.run(5s, [&] { return pair.find<Connected>(Pair::left) != nullptr; }));
  CHECK(!pair.closed(Pair::left));
}

TEST_CASE(
    "connect() to an address that is called or open gives the same id; to no address, nothing") {
  Pair pair;
  const auto first = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  REQUIRE(first);
  CHECK(pair[Pair::left].connect(pair.now, pair.path_from(Pair::left)) == first);
  REQUIRE(pair.run(5s, [&] { return pair.find<Connected>(Pair::right) != nullptr; }));
  CHECK(pair[Pair::left].connect(pair.now, pair.path_from(Pair::left)) == first);
  CHECK(pair[Pair::right].connect(pair.now, pair.path_from(Pair::right)) == pair.id[Pair::right]);
  CHECK(!pair[Pair::left].connect(pair.now, {{}, Address::v4(0, 0, 0, 0, 5)}));
  CHECK(!pair[Pair::left].connect(pair.now, {{}, Address::v4(224, 0, 0, 1, 5)}));
}

TEST_CASE("calling oneself times out and leaves nothing behind") {
  Pair pair;
  const Path to_self{pair.address(Pair::left), pair.address(Pair::left)};
  std::vector<Bytes> sent;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    sent.emplace_back(packet.begin(), packet.end());
  };
  pair[Pair::left].connect(pair.now, to_self);
  for (int i = 0; i < 200; ++i) {
    pair.run(100ms);
    for (Bytes& packet : std::exchange(sent, {})) pair.deliver(Pair::left, to_self, packet);
  }
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == CloseCode::handshake_timeout);
  CHECK(pair.count<Connected>(Pair::left) == 0);
}

TEST_CASE("an OPENING is two bytes and is never answered") {
  Pair pair;
  pair[Pair::left].send_opening(pair.now, pair.path_from(Pair::left));
  pair.run(1s);
  CHECK(pair.datagrams_sent[Pair::left] == 1);
  CHECK(pair.bytes_sent[Pair::left] == 2);
  CHECK(pair.datagrams_sent[Pair::right] == 0);
}

TEST_CASE("where an OPENING came from is told to who wants to hear it, and not without end") {
  Pair pair;
  Endpoint& right = pair[Pair::right];
  const Path from{pair.address(Pair::right), Address::v4(192, 0, 2, 7, 9)};
  const auto heard = [&](const Bytes& packet) {
    Bytes copy = packet;
    right.on_datagrams(pair.now, from, Ecn::not_ect, 0, copy);
    const auto event = right.poll_event();
    const auto* opening = event ? std::get_if<OpeningHeard>(&*event) : nullptr;
    return opening && opening->path == from;
  };
  CHECK(!heard(opening_packet()));
  right.hear_openings(true);
  CHECK(heard(opening_packet()));
  CHECK(!heard({0xc5, wire_version, 0}));
  CHECK(!heard({0xc5}));
  int64_t told = 1;
  for (int i = 0; i < 1000; ++i) told += heard(opening_packet()) ? 1 : 0;
  CHECK(told == openings_heard_per_second);
  pair.now += 500ms;
  for (int i = 0; i < 1000; ++i) told += heard(opening_packet()) ? 1 : 0;
  CHECK(told == openings_heard_per_second * 3 / 2);
  right.hear_openings(false);
  pair.now += 5s;
  CHECK(!heard(opening_packet()));
}
