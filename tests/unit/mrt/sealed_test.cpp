// SPDX-License-Identifier: MIT
//
// Who gets in, and what an outsider sees: connections with passwords, secrets, guests and
// identities, end to end.
#include "unit/mrt/members.h"

#include <doctest/doctest.h>

using namespace mrt;
using namespace mrt::test;

namespace {

constexpr std::string_view marker = "ATTACK AT DAWN";

EndpointConfig plain_config() {
  EndpointConfig config;
  config.plain = true;
  return config;
}

bool both_open(Pair& pair) {
  return !pair[Pair::left].connections().empty() && !pair[Pair::right].connections().empty();
}

/// left calls, and that is how it ends; right hears nothing of it and keeps nothing.
void refused_with(Pair& pair, CloseCode code, bool by_peer) {
  CHECK_FALSE(pair.connect(1s));
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == code);
  CHECK(pair.closed(Pair::left)->by_peer == by_peer);
  CHECK(pair.count<Connected>(Pair::left) == 0);
  pair.run(15s);
  CHECK(pair.events[Pair::right].empty());
  CHECK(pair[Pair::right].next_timeout() == never);
  CHECK(pair[Pair::right].is_consistent());
}

}  // namespace

TEST_CASE("one round trip after the call the first sealed packet with data leaves") {
  Members pair;
  std::vector<std::pair<Duration, Bytes>> sent;
  const Instant start = pair.now;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    sent.emplace_back(pair.now - start, Bytes(packet.begin(), packet.end()));
  };
  pair.on_event = [&](Pair::Side side, const Event& event) {
    if (side == Pair::left && std::holds_alternative<Connected>(event))
      pair[side].send_message(pair.now, std::get<Connected>(event).connection, Priority::normal,
                              shared_pattern(500, 1));
  };
  pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  REQUIRE(pair.run(1s, [&] { return !pair.messages[Pair::right].empty(); }));
  CHECK(pair.now - start == 3 * pair.weather.delay);
  REQUIRE(sent.size() >= 3);
  CHECK(is_long(sent[0].second, LongType::rcon));
  CHECK(is_long(sent[1].second, LongType::acon));
  CHECK(is_short(sent[2].second));
  CHECK(sent[2].first == 2 * pair.weather.delay);
  CHECK(sent[2].second.size() > 500);  // the identity and the message in one
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->sealed);
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->sealed);
}

TEST_CASE("the peer's identity is proven before any byte of it is handed out") {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Members pair(seed, {.jitter = 5ms, .loss = 0.3, .duplicate = 0.2, .reorder = 0.3});
    size_t checked = 0;
    pair.on_event = [&](Pair::Side side, const Event& event) {
      std::optional<ConnectionId> from;
      if (const auto* message = std::get_if<MessageReceived>(&event)) from = message->connection;
      if (const auto* datagram = std::get_if<DatagramReceived>(&event)) from = datagram->connection;
      if (const auto* readable = std::get_if<Readable>(&event)) from = readable->connection;
      // Who is called is known by then as well.
      if (const auto* connected = std::get_if<Connected>(&event);
          connected && !connected->initiator)
        from = connected->connection;
      if (from) CHECK(pair[side].peer_key(*from) == pair[Pair::other(side)].public_key());
      checked += from ? 1 : 0;
    };
    REQUIRE(pair.connect());
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      say(pair, side, shared_pattern(5'000, seed));
      pair[side].send_datagram(pair.now, *pair.id[side], pattern(20, seed));
      pair[side].write(pair.now, *pair.id[side], first_stream, pattern(3'000, seed));
    }
    REQUIRE(pair.run(20s, [&] {
      return !pair.messages[Pair::left].empty() && !pair.messages[Pair::right].empty();
    }));
    CHECK(checked >= 3);
    CHECK(pair[Pair::left].public_key() != pair[Pair::right].public_key());
  }
}

TEST_CASE("a wrong password: the caller is told, the listener sees no event and forgets it") {
  Members pair(1, {}, with_password(1, "open sesame"));
  refused_with(pair, CloseCode::wrong_secret, false);
  Members secret(1, {}, with_secret(1, 8), with_secret(2, 7));
  refused_with(secret, CloseCode::wrong_secret, false);
}

TEST_CASE("what the caller shows and what is asked for must be of one kind") {
  const NetworkKey nothing;
  Members without(1, {}, with_key(1, nothing));
  refused_with(without, CloseCode::password_needed, true);
  Members secret_for_password(1, {}, with_secret(1));
  refused_with(secret_for_password, CloseCode::password_needed, true);
  Members without_invite(1, {}, with_key(1, nothing), with_secret(2));
  refused_with(without_invite, CloseCode::invite_needed, true);
  Members password_for_open(1, {}, sealed_config(1), with_key(2, nothing));
  refused_with(password_for_open, CloseCode::network_is_open, true);
  EndpointConfig elsewhere = sealed_config(2);
  elsewhere.network = "another lab";
  Members other(1, {}, sealed_config(1), elsewhere);
  refused_with(other, CloseCode::other_network, true);
}

TEST_CASE("an open network takes anyone of its name, encrypted and with an identity") {
  Members pair(1, {}, with_key(1, {}), with_key(2, {}));
  REQUIRE(pair.connect());
  CHECK(message_passes(pair, Pair::left, 1));
  CHECK(pair[Pair::right].peer_key(*pair.id[Pair::right]) == pair[Pair::left].public_key());
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->sealed);
}

TEST_CASE("over loopback a random secret is not asked for, a password is") {
  const auto call_over_loopback = [](Pair& pair) {
    pair.move(Pair::left, Address::v4(127, 0, 0, 1, 1'001));
    pair.move(Pair::right, Address::v4(127, 0, 0, 1, 2'002));
    return pair.connect(1s);
  };
  Members same(1, {}, with_secret(1, 8), with_secret(2, 7));
  CHECK(call_over_loopback(same));
  CHECK(same[Pair::right].key_shown(*same.id[Pair::right])->access == Access::open);
  CHECK(message_passes(same, Pair::left, 1));
  Members guest(1, {}, with_key(1, {}), with_secret(2, 7));
  CHECK(call_over_loopback(guest));
  Members password(1, {}, with_key(1, {}), sealed_config(2));
  CHECK_FALSE(call_over_loopback(password));
  CHECK(password.closed(Pair::left)->code == CloseCode::password_needed);
  Members wrong(1, {}, with_password(1, "open sesame"), sealed_config(2));
  CHECK_FALSE(call_over_loopback(wrong));
  CHECK(wrong.closed(Pair::left)->code == CloseCode::wrong_secret);
}

TEST_CASE("a guest of the same host by its own address is let in, one of its network is not") {
  for (const bool same_host : {true, false}) {
    Members pair(1, {}, with_key(1, {}), with_secret(2, 7));
    pair.move(Pair::left, Address::v4(192, 0, 2, same_host ? 5 : 6, 1'001));
    pair.move(Pair::right, Address::v4(192, 0, 2, 5, 2'002));
    CHECK(pair.connect(1s) == same_host);
    if (!same_host) CHECK(pair.closed(Pair::left)->code == CloseCode::invite_needed);
  }
}

TEST_CASE("plain and sealed never meet, and not a byte goes in clear") {
  for (const bool plain_calls : {true, false}) {
    Members pair(1, {}, plain_calls ? plain_config() : sealed_config(1),
                 plain_calls ? sealed_config(2) : plain_config());
    bool seen = false;
    pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
      CHECK_FALSE(is_short(packet));
      seen |= contains(packet, as_bytes(marker));
    };
    const SharedBytes words = std::make_shared<const Bytes>(marker.begin(), marker.end());
    pair.on_event = [&](Pair::Side side, const Event&) { say(pair, side, words); };
    refused_with(pair, CloseCode::suite_mismatch, true);
    CHECK_FALSE(say(pair, Pair::left, words));
    CHECK_FALSE(seen);
  }
}

TEST_CASE("what is said in a sealed connection is on the wire in no packet; in a plain one it is") {
  for (const bool plain : {false, true}) {
    Members pair(1, {}, plain ? plain_config() : sealed_config(1),
                 plain ? plain_config() : sealed_config(2));
    bool seen = false;
    pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
      seen |= contains(packet, as_bytes(marker));
    };
    REQUIRE(pair.connect());
    say(pair, Pair::left, std::make_shared<const Bytes>(marker.begin(), marker.end()));
    pair.run(1s);
    pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::application, marker);
    pair.run(1s);
    REQUIRE(pair.closed(Pair::right));
    CHECK(pair.closed(Pair::right)->reason == marker);
    CHECK(pair.messages[Pair::right].size() == 1);
    CHECK(seen == plain);
  }
}

TEST_CASE("of both sides' ciphers one is common, or the call ends with suite_mismatch") {
  const auto with_cipher = [](uint8_t identity, std::optional<Cipher> cipher) {
    EndpointConfig config = sealed_config(identity);
    config.only_cipher = cipher;
    config.keylog = true;
    return config;
  };
  const Cipher aes = Cipher::aes_128_gcm;
  const Cipher chacha = Cipher::chacha20_poly1305;
  const auto name_of = [](Pair& pair) { return pair.find<KeysLogged>(Pair::left)->line; };
  for (const auto& [left, right] :
       {std::pair<std::optional<Cipher>, std::optional<Cipher>>(chacha, std::nullopt),
        {std::nullopt, chacha},
        {chacha, chacha}}) {
    Members pair(1, {}, with_cipher(1, left), with_cipher(2, right));
    REQUIRE(pair.connect());
    CHECK(name_of(pair).find("chacha20-poly1305") != std::string::npos);
    CHECK(message_passes(pair, Pair::right, 1));
  }
  Members both_aes(1, {}, with_cipher(1, aes), with_cipher(2, aes));
  REQUIRE(both_aes.connect());
  CHECK(name_of(both_aes).find("aes-128-gcm") != std::string::npos);
  Members none(1, {}, with_cipher(1, aes), with_cipher(2, chacha));
  refused_with(none, CloseCode::suite_mismatch, true);
}

TEST_CASE("keys are told only where the key log was asked for") {
  Members pair(1, {}, [] {
    EndpointConfig config = sealed_config(1);
    config.keylog = true;
    return config;
  }());
  REQUIRE(pair.connect());
  CHECK(pair.count<KeysLogged>(Pair::left) == 1);
  CHECK(pair.count<KeysLogged>(Pair::right) == 0);
  // It comes before the first packet that it opens.
  CHECK(std::holds_alternative<KeysLogged>(pair.events[Pair::left].front()));
}

TEST_CASE("both call at once with one password and one connection results") {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Members pair(seed, {.delay = 20ms, .jitter = 10ms, .loss = seed % 2 == 0 ? 0.3 : 0.0});
    pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
    pair.run(std::chrono::milliseconds(seed % 30));
    pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
    REQUIRE(pair.run(20s, [&] { return both_open(pair); }));
    pair.run(20s);
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      CHECK(pair.count<Connected>(side) == 1);
      CHECK(pair.count<Closed>(side) == 0);
      CHECK(message_passes(pair, side, seed));
      CHECK(pair[side].peer_key(*pair.id[side]) == pair[Pair::other(side)].public_key());
    }
  }
}

TEST_CASE("both call at once and one shows the other's password: that one counts") {
  size_t initiators = 0;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Members pair(seed, {}, with_password(1, "ours"), with_password(2, "theirs"));
    const NetworkKey theirs = with_password(2, "theirs").network_key;
    pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left), theirs);
    pair.id[Pair::right] = pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
    REQUIRE(pair.run(5s, [&] { return both_open(pair); }));
    for (const Pair::Side side : {Pair::left, Pair::right})
      CHECK(*pair[side].key_shown(*pair.id[side]) == theirs);
    initiators += pair.find<Connected>(Pair::left)->initiator ? 1 : 0;
    CHECK(message_passes(pair, Pair::left, seed));
  }
  CHECK(initiators > 0);
  CHECK(initiators < 20);
}

TEST_CASE("a key that is changed is asked of the next caller, and open connections stay") {
  Members pair;
  REQUIRE(pair.connect());
  const NetworkKey changed = with_password(1, "changed").network_key;
  pair[Pair::right].set_network_key(changed);
  CHECK(message_passes(pair, Pair::left, 1));
  const Address moved = Address::v4(192, 0, 2, 9, 9);
  pair.replace(Pair::left, sealed_config(3), 5);
  pair.move(Pair::left, moved);
  pair.events[Pair::left].clear();
  CHECK_FALSE(pair.connect(1s));
  CHECK(pair.closed(Pair::left)->code == CloseCode::wrong_secret);
  pair.replace(Pair::left, with_key(3, changed), 6);
  pair.events[Pair::left].clear();
  pair.connect(1s);
  CHECK(pair.find<Connected>(Pair::left));
}

TEST_CASE("a restarted peer comes back as somebody else, and the old connection ends") {
  Members pair;
  REQUIRE(pair.connect());
  const ConnectionId old = *pair.id[Pair::right];
  pair.replace(Pair::left, sealed_config(3), 99);
  pair.events[Pair::left].clear();
  pair.events[Pair::right].clear();
  REQUIRE(pair.connect());
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->connection == old);
  CHECK(pair.closed(Pair::right)->code == CloseCode::reset);
  CHECK(pair[Pair::right].peer_key(*pair.id[Pair::right]) ==
        Identity(sealed_config(3).identity).public_key());
  CHECK(message_passes(pair, Pair::right, 2));
}

TEST_CASE("somebody without the password at a member's address does not end its connection") {
  Members pair;
  REQUIRE(pair.connect());
  Endpoint guesser(with_password(9, "guess"), seed_from(9));
  guesser.connect(pair.now, pair.path_from(Pair::left));
  Bytes buffer(batch_bytes_max);
  const auto batch = guesser.poll_transmit(pair.now, buffer);
  REQUIRE(batch);
  pair.deliver(Pair::right, pair.path_from(Pair::right),
               Bytes(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(batch->size)));
  pair.run(15s);
  CHECK(pair.count<Closed>(Pair::right) == 0);
  CHECK(pair.count<Closed>(Pair::left) == 0);
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE("where a cookie is asked for, a call takes one round trip more and no other") {
  EndpointConfig small = sealed_config(2);
  small.half_open_max = 8;
  for (const bool crowded : {false, true}) {
    Members pair(1, {}, sealed_config(1), small);
    for (uint8_t i = 0; crowded && i < 5; ++i) {
      Endpoint caller(sealed_config(9), seed_from(i));
      const Address from = Address::v4(203, 0, 113, i, 999);
      caller.connect(pair.now, {from, pair.address(Pair::right)});
      Bytes buffer(batch_bytes_max);
      const auto batch = caller.poll_transmit(pair.now, buffer);
      REQUIRE(batch);
      buffer.resize(batch->size);
      pair.deliver(Pair::right, {pair.address(Pair::right), from}, std::move(buffer));
    }
    std::vector<uint8_t> types;
    pair.watch = [&](Pair::Side, const Path& path, ByteView packet) {
      const bool of_pair =
          path.remote == pair.address(Pair::left) || path.remote == pair.address(Pair::right);
      if (of_pair && !is_short(packet)) types.push_back(packet[0] & 0x0f);
    };
    const Instant start = pair.now;
    REQUIRE(pair.connect());
    CHECK(pair.now - start == (crowded ? 5 : 3) * pair.weather.delay);
    CHECK(types == (crowded ? std::vector<uint8_t>{0, 2, 0, 1} : std::vector<uint8_t>{0, 1}));
  }
}

TEST_CASE("30 % loss, duplicates, reordering and corruption lose nothing of what is sealed") {
  const Weather storm{
      .delay = 10ms, .jitter = 5ms, .loss = 0.3, .duplicate = 0.1, .reorder = 0.1, .corrupt = 0.05};
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    Members pair(seed, storm);
    REQUIRE(pair.connect());
    const Bytes text = pattern(100'000, seed);
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      REQUIRE(pair[side].write(pair.now, *pair.id[side], first_stream, text) == text.size());
      for (uint64_t i = 0; i < 20; ++i) CHECK(say(pair, side, shared_pattern(i * 97, i)));
    }
    REQUIRE(pair.run(120s, [&] {
      return pair.streams[Pair::left][first_stream].size() == text.size() &&
             pair.streams[Pair::right][first_stream].size() == text.size() &&
             pair.messages[Pair::left].size() == 20 && pair.messages[Pair::right].size() == 20;
    }));
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      CHECK(pair.streams[side][first_stream] == text);
      CHECK(pair[side].stats(*pair.id[side])->packets_corrupt > 0);
      CHECK(pair[side].is_consistent());
    }
  }
}

TEST_CASE("a member whose address changes is sent three times its bytes at most until it answers") {
  Members pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  REQUIRE(pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream,
                                  pattern(1'000'000, 1)) == 1'000'000);
  pair.run(12ms);
  const Address moved = Address::v4(203, 0, 113, 9, 42);
  pair.move(Pair::left, moved);
  size_t received = 0;
  size_t answered = 0;
  bool validated = false;
  std::deque<std::pair<Instant, size_t>> flying;  // what left has sent from there
  pair.watch = [&](Pair::Side from, const Path& path, ByteView packet) {
    if (from == Pair::left) flying.emplace_back(pair.now + pair.weather.delay, packet.size());
    if (validated || from == Pair::left || path.remote != moved) return;
    for (; !flying.empty() && flying.front().first <= pair.now; flying.pop_front())
      received += flying.front().second;
    answered += packet.size();
    CHECK(answered <= 3 * received);
  };
  pair.on_event = [&](Pair::Side side, const Event& event) {
    validated |= side == Pair::right && std::holds_alternative<PathChanged>(event);
  };
  say(pair, Pair::left, shared_pattern(10, 1));
  REQUIRE(
      pair.run(10s, [&] { return pair.streams[Pair::left][first_stream].size() == 1'000'000; }));
  CHECK(validated);
  CHECK(answered > 0);
  REQUIRE(pair.find<PathChanged>(Pair::right));
  CHECK(pair.find<PathChanged>(Pair::right)->path.remote == moved);
}
