// SPDX-License-Identifier: MIT
//
// From the ACON to the acknowledged proof of identity: what is lost, late, forged or cut short
// there, and the reset token that travels with the proof.
#include <doctest/doctest.h>

#include "mrt/agreement.h"
#include "unit/mrt/forger.h"
#include "unit/mrt/members.h"

using namespace mrt;
using namespace mrt::test;

namespace {

/// What both sides said, as WIRE.md 3.10 has it; built here anew, so that the document holds.
TranscriptHash transcript_of(const Rcon& rcon, const Acon& acon) {
  Builder call;
  call.u64(rcon.scid);
  call.bytes(rcon.id);
  call.u8(rcon.suites);
  call.sized_bytes(rcon.parameters);
  call.sized_bytes(rcon.handshake);
  Builder answer;
  answer.u64(acon.dcid);
  answer.u64(acon.scid);
  answer.bytes(acon.initiator_id);
  answer.bytes(acon.responder_id);
  answer.u8(acon.suite);
  answer.sized_bytes(acon.parameters);
  answer.sized_bytes(ByteView(acon.handshake).first(32));
  Builder both;
  both.sized_bytes(call.take());
  both.sized_bytes(answer.take());
  return sha256(both.take());
}

/// A call that has got its ACON, and whose side `cut` has not been heard since: a forger who has
/// the keys speaks for it.
struct HalfWay : OpenBook {
  Rcon rcon;
  Acon acon;
  Forger forger;
  Side cut;
  size_t sent_by_other = 0;

  explicit HalfWay(Side cut_side) : forger(*this, cut_side), cut(cut_side) {
    const auto listen = watch;
    watch = [this, listen](Side from, const Path& path, ByteView packet) {
      listen(from, path, packet);
      if (const auto call = read_rcon(packet)) rcon = *call;
      if (const auto answer = read_acon(packet)) acon = *answer;
      sent_by_other += from != cut ? packet.size() : 0;
    };
    drop = [this](Side from, const Path&, ByteView packet) {
      return from == cut && is_short(packet);
    };
    id[left] = (*this)[left].connect(now, path_from(left));
    REQUIRE(run(1s, [this] { return find<KeysLogged>(cut) != nullptr; }));
    run(10ms);
    sent_by_other = 0;
  }

  Bytes proof(const Identity& identity, HandshakeRole role) const {
    return write_proof(prove_identity(identity, role, transcript_of(rcon, acon), {}));
  }
  void send_proof(const Bytes& bytes) {
    forger.send([&](Writer& out) {
      write_frame(out, AuthFrame{bytes});
      write_frame(out, PingFrame{});
    });
  }
  void send_message_without_proof() {
    forger.send([this](Writer& out) {
      write_data_head(out, {make_stream_id(0, true, cut == left), 0, 5, true, true});
      out.bytes(pattern(5, 1));
    });
  }
};

HandshakeRole role_of(Pair::Side side) {
  return side == Pair::left ? HandshakeRole::initiator : HandshakeRole::responder;
}

const Identity& stranger() {
  static const Identity identity(seed_from(99));
  return identity;
}

}  // namespace

TEST_CASE("who has the keys and does not say who it is gets nothing in, and no answer") {
  for (const Pair::Side cut : {Pair::left, Pair::right}) {
    CAPTURE(int{cut});
    HalfWay pair(cut);
    const Pair::Side other = Pair::other(cut);
    const size_t events = pair.events[other].size();
    for (int i = 0; i < 20; ++i) pair.send_message_without_proof();
    pair.forger.send([](Writer& out) { write_frame(out, PingFrame{}); });
    pair.forger.send([](Writer& out) { write_frame(out, CloseFrame{0x100, {}}); });
    // A proof that is not the first frame is none.
    pair.forger.send([&](Writer& out) {
      write_frame(out, PingFrame{});
      write_frame(out, AuthFrame{pair.proof(stranger(), role_of(cut))});
    });
    pair.pump_both();
    CHECK(pair.messages[other].empty());
    CHECK(pair.events[other].size() == events);
    CHECK_FALSE(pair[other].peer_key(*pair.id[cut == Pair::left ? Pair::left : other]));
    CHECK(pair.sent_by_other == 0);
    // Then it says so, and is heard.
    pair.send_proof(pair.proof(stranger(), role_of(cut)));
    pair.send_message_without_proof();
    CHECK(pair.messages[other].size() == 1);
    REQUIRE(pair.id[other]);
    CHECK(pair[other].peer_key(*pair.id[other]) == stranger().public_key());
  }
}

TEST_CASE("a proof that is wrong ends a half-open connection without a word") {
  for (int kind = 0; kind < 4; ++kind) {
    CAPTURE(kind);
    HalfWay pair(Pair::left);
    Bytes proof = pair.proof(stranger(), HandshakeRole::initiator);
    if (kind == 0) proof[3] ^= 1;
    if (kind == 1) proof[40] ^= 1;
    if (kind == 2) proof.pop_back();
    if (kind == 3) proof = pair.proof(stranger(), HandshakeRole::responder);
    pair.send_proof(proof);
    CHECK(pair.events[Pair::right].empty());
    CHECK(pair.sent_by_other == 0);
    CHECK(pair[Pair::right].next_timeout() == never);
    CHECK(pair[Pair::right].is_consistent());
  }
}

TEST_CASE("a caller that is shown a wrong proof closes with bad_identity") {
  for (const bool own : {true, false}) {
    HalfWay pair(Pair::right);
    // Its own proof sent back, or the right one for another role.
    const Identity caller(sealed_config(1).identity);
    CHECK(caller.public_key() == pair[Pair::left].public_key());
    pair.send_proof(pair.proof(own ? caller : stranger(), HandshakeRole::initiator));
    REQUIRE(pair.closed(Pair::left));
    CHECK(pair.closed(Pair::left)->code == CloseCode::bad_identity);
    CHECK_FALSE(pair.closed(Pair::left)->by_peer);
  }
}

TEST_CASE("an identity once proven is not changed by another proof") {
  HalfWay pair(Pair::left);
  pair.send_proof(pair.proof(stranger(), HandshakeRole::initiator));
  pair.send_proof(pair.proof(Identity(seed_from(98)), HandshakeRole::initiator));
  REQUIRE(pair.id[Pair::right]);
  CHECK(pair[Pair::right].peer_key(*pair.id[Pair::right]) == stranger().public_key());
}

TEST_CASE("a packet of suite plain is dropped by a sealed connection, before and after the proof") {
  Members pair;
  Rcon rcon;
  Acon acon;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    if (const auto call = read_rcon(packet)) rcon = *call;
    if (const auto answer = read_acon(packet)) acon = *answer;
  };
  const auto forge = [&](uint64_t number) {
    Bytes packet(100);
    Writer out(packet);
    ShortHeader header;
    header.dcid = acon.scid;
    header.number_bytes = 4;
    header.number_truncated = static_cast<uint32_t>(number);
    write_short_header(out, header);
    write_data_head(out, {make_stream_id(0, true, true), 0, 5, true, true});
    out.bytes(pattern(5, 1));
    out.zeros(packet.size() - trailer_bytes - out.size());
    Seal::plain(rcon.id, acon.responder_id).seal({number}, header.size(), packet);
    pair.deliver(Pair::right, pair.path_from(Pair::right), packet);
    pair.pump_both();
  };
  pair.drop = [](Pair::Side from, const Path&, ByteView packet) {
    return from == Pair::left && is_short(packet);
  };
  pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  REQUIRE(pair.run(1s, [&] { return pair.find<Connected>(Pair::left) != nullptr; }));
  for (uint64_t number = 0; number < 20; ++number) forge(number);
  CHECK(pair.events[Pair::right].empty());
  pair.drop = nullptr;
  REQUIRE(pair.run(5s, [&] { return pair.find<Connected>(Pair::right) != nullptr; }));
  for (uint64_t number = 100; number < 120; ++number) forge(number);
  CHECK(pair.messages[Pair::right].empty());
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->packets_corrupt >= 20);
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE("whichever of the first packets is lost, the first words arrive promptly") {
  for (const Pair::Side from : {Pair::left, Pair::right}) {
    for (unsigned lost = 0; lost < 16; ++lost) {
      CAPTURE(int{from});
      CAPTURE(lost);
      Members pair(lost + 1);
      unsigned packets = 0;
      pair.drop = [&](Pair::Side side, const Path&, ByteView packet) {
        if (side != from || !is_short(packet)) return false;
        const bool gone = packets < 4 && (lost >> packets & 1) != 0;
        ++packets;
        return gone;
      };
      pair.on_event = [&](Pair::Side side, const Event& event) {
        if (const auto* connected = std::get_if<Connected>(&event); connected && side == from)
          for (uint64_t i = 0; i < 5; ++i)
            pair[side].send_message(pair.now, connected->connection, Priority::normal,
                                    shared_pattern(900, i));
      };
      const Instant start = pair.now;
      REQUIRE(pair.connect());
      REQUIRE(pair.run(5s, [&] { return pair.messages[Pair::other(from)].size() == 5; }));
      CHECK(pair.now - start < 500ms);
    }
  }
}

TEST_CASE("a first flight in any order arrives whole") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Members pair(seed, {.delay = 10ms, .jitter = 10ms, .duplicate = 0.3, .reorder = 0.7});
    pair.on_event = [&](Pair::Side side, const Event& event) {
      if (const auto* connected = std::get_if<Connected>(&event))
        for (uint64_t i = 0; i < 8; ++i)
          pair[side].send_message(pair.now, connected->connection, Priority::normal,
                                  shared_pattern(900, i));
    };
    const Instant start = pair.now;
    REQUIRE(pair.connect());
    REQUIRE(pair.run(5s, [&] {
      return pair.messages[Pair::left].size() == 8 && pair.messages[Pair::right].size() == 8;
    }));
    CHECK(pair.now - start < 500ms);
    CHECK(pair.count<Closed>(Pair::left) + pair.count<Closed>(Pair::right) == 0);
  }
}

TEST_CASE("the reset token is in no packet in clear, and works once it was told under seal") {
  Members pair;
  std::vector<Bytes> sent;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::right) sent.emplace_back(packet.begin(), packet.end());
    if (const auto rcon = read_rcon(packet))
      CHECK_FALSE(read_parameters(rcon->parameters)->reset_token);
    if (const auto acon = read_acon(packet))
      CHECK_FALSE(read_parameters(acon->parameters)->reset_token);
  };
  REQUIRE(pair.connect());
  CHECK(message_passes(pair, Pair::right, 1));
  // The listener forgets the connection, and nothing that it says of it arrives.
  pair.drop = [](Pair::Side from, const Path&, ByteView) { return from == Pair::right; };
  pair[Pair::right].close(pair.now, *pair.id[Pair::right], CloseCode::application, "");
  pair.run(2s);
  const size_t before = sent.size();
  pair.drop = nullptr;
  say(pair, Pair::left, shared_pattern(10, 1));
  REQUIRE(pair.run(5s, [&] { return pair.closed(Pair::left) != nullptr; }));
  CHECK(pair.closed(Pair::left)->code == CloseCode::reset);
  const auto reset = read_reset(sent.back());
  REQUIRE(reset);
  for (size_t i = 0; i < before; ++i) CHECK_FALSE(contains(sent[i], reset->token));
}

TEST_CASE("who closes in the same breath as it connects is heard, also where that packet is lost") {
  for (const int lost : {0, 1, 2}) {
    CAPTURE(lost);
    Members pair;
    int packets = 0;
    pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
      return from == Pair::left && is_short(packet) && packets++ < lost;
    };
    pair.on_event = [&](Pair::Side side, const Event& event) {
      if (const auto* connected = std::get_if<Connected>(&event); connected && side == Pair::left)
        pair[side].close(pair.now, connected->connection, CloseCode::application, "bye");
    };
    pair.connect(2s);
    REQUIRE(pair.closed(Pair::right));
    CHECK(pair.closed(Pair::right)->by_peer);
    CHECK(pair.closed(Pair::right)->reason == "bye");
    CHECK(pair.count<Connected>(Pair::right) == 1);
  }
}
