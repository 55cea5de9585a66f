// SPDX-License-Identifier: MIT
//
// Holes that other programs had, as far as they concern a transport: each is tried here. The
// optimistic acks of RFC 9000 section 21.4 are in loss_test ("... a number left out").
#include <doctest/doctest.h>

#include "mrt/agreement.h"
#include "unit/mrt/forger.h"
#include "unit/mrt/members.h"

using namespace mrt;
using namespace mrt::test;

namespace {

/// How many bytes went to and came from each address that has proven nothing.
struct Ledger {
  explicit Ledger(Pair& pair) : pair_(pair) {
    pair.watch = [this](Pair::Side from, const Path& path, ByteView packet) {
      if (from == Pair::right) answered[path.remote] += packet.size();
      last.assign(packet.begin(), packet.end());
    };
  }
  void send(const Address& from, Bytes packet, size_t segment_size = 0) {
    received[from] += packet.size();
    pair_.deliver(Pair::right, {pair_.address(Pair::right), from}, std::move(packet), segment_size);
    pair_.pump_both();
    CHECK(answered[from] <= 3 * received[from]);
  }

  std::map<Address, size_t> received;
  std::map<Address, size_t> answered;
  Bytes last;

 private:
  Pair& pair_;
};

Bytes rcon_of(const EndpointConfig& config, uint64_t seed, const Address& to) {
  Endpoint caller(config, seed_from(seed));
  Bytes buffer(batch_bytes_max);
  caller.connect(Instant(1s), {{}, to});
  buffer.resize(caller.poll_transmit(Instant(1s), buffer)->size);
  return buffer;
}

Address spoofed(uint64_t n) {
  return Address::v4(203, 0, 113, static_cast<uint8_t>(n), static_cast<uint16_t>(1 + n));
}

/// A byte string that is right for its trailer, whatever is in it.
Bytes resealed(Bytes packet) {
  if (packet.size() >= trailer_bytes) seal_long(packet);
  return packet;
}

/// One of each long packet.
std::vector<Bytes> long_packets() {
  Acon acon;
  acon.dcid = acon.scid = 5;
  return {rcon_of(sealed_config(9), 1, Address::v4(198, 51, 100, 2, 2002)),
          write_packet(acon),
          write_packet(Cookie{5, {}, Bytes(16, 1)}),
          write_packet(Reset{5, {}}),
          write_packet(VersionList{5, {2, 3}}),
          opening_packet(),
          write_packet(Refuse{5, {}, 2, "no"})};
}

void ping(Writer& out) { write_frame(out, PingFrame{}); }

}  // namespace

TEST_CASE(
    "museum: QUIC section 8, no storm of whatever kind is answered with over three times its "
    "bytes") {
  EndpointConfig elsewhere = sealed_config(9);
  elsewhere.network = "another lab";
  EndpointConfig plain;
  plain.plain = true;
  for (const bool crowded : {false, true}) {
    EndpointConfig config = sealed_config(2);
    config.half_open_max = crowded ? 0 : 512;
    Members pair(1, {}, sealed_config(1), config);
    Ledger ledger(pair);
    const Address to = pair.address(Pair::right);
    uint64_t from = 0;
    const auto storm = [&](const Bytes& packet, int times) {
      const Address address = spoofed(++from);
      for (int i = 0; i < times; ++i) ledger.send(address, packet);
    };
    const Bytes rcon = rcon_of(sealed_config(9), 7, to);
    storm(rcon, 200);                       // repeated: one ACON each, kept
    storm(rcon_of(elsewhere, 8, to), 200);  // REFUSE
    storm(rcon_of(plain, 9, to), 200);
    Bytes strange = rcon;
    strange[1] = 77;
    storm(resealed(strange), 200);  // VERSION
    for (size_t size = 1; size < rcon.size(); size += 7) {
      storm(resealed(Bytes(rcon.begin(), rcon.begin() + static_cast<ptrdiff_t>(size))), 3);
      strange.resize(size);
      storm(strange, 3);
    }
    for (const Bytes& packet : long_packets()) storm(packet, 200);
    Random random(seed_from(5));
    for (size_t size = 25; size < 1'500; size += 3) {  // RESET
      Bytes packet(size);
      random.fill(packet);
      packet[0] = 0x40 | (packet[0] & 3);
      storm(packet, 3);
    }
    for (int i = 0; i < 2'000; ++i) {
      Bytes packet(1 + random.below(1'400));
      random.fill(packet);
      storm(packet, 2);
    }
    pair.run(20s);
    size_t answered = 0;
    for (const auto& [address, bytes] : ledger.answered) {
      CHECK(bytes <= 3 * ledger.received[address]);
      answered += bytes > 0 ? 1 : 0;
    }
    CHECK(answered > 10);  // ACON or COOKIE, REFUSE, VERSION, RESETs
    CHECK(pair[Pair::right].is_consistent());
    CHECK(pair[Pair::right].next_timeout() == never);
  }
}

TEST_CASE("museum: QUIC section 8, path challenges with a false sender are no reflector") {
  OpenBook pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  forger.silence();
  const uint64_t base = forger.heard_end(Pair::left);
  Ledger ledger(pair);
  // A high number from home first: what follows is late, and moves the connection nowhere.
  pair.deliver(Pair::right, pair.path_from(Pair::right), forger.packet(ping, base + 100));
  pair.pump_both();
  const Address victim = Address::v4(203, 0, 113, 1, 80);
  for (uint64_t n = 0; n < 40; ++n) {
    ledger.send(victim, forger.packet(
                            [&](Writer& out) {
                              for (uint64_t i = 0; i < n % 7; ++i)
                                write_frame(out, PathChallengeFrame{i});
                              if (n % 7 == 0) out.zeros(n);
                            },
                            base + 2 + n));
  }
  CHECK(ledger.answered[victim] > 0);
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->path.remote == pair.address(Pair::left));
  pair.run(100ms);
  CHECK(ledger.answered[victim] <= 3 * ledger.received[victim]);
}

TEST_CASE("museum: RakNet, an ACK of huge ranges ends at once") {
  // Counted in frames that are read and ranges that are visited, not by a clock.
  constexpr uint64_t huge = varint_max;
  const auto ack_of = [](uint64_t largest, uint64_t count, uint64_t first,
                         std::vector<uint64_t> ranges) {
    Builder out;
    out.u8(0x02);
    for (const uint64_t value : {largest, uint64_t{0}, count, first}) out.varint(value);
    for (const uint64_t value : ranges) out.varint(value);
    return out.take();
  };
  const auto ranges_in = [](const Bytes& bytes) {
    Reader in(bytes);
    const auto frame = read_frame(in);
    if (!frame) return -1;
    int ranges = 0;
    std::get<AckFrame>(*frame).for_each_range([&](Interval range) {
      CHECK(range.begin < range.end);
      ++ranges;
    });
    return ranges;
  };
  CHECK(ranges_in(ack_of(huge, 0, huge, {})) == 1);
  CHECK(ranges_in(ack_of(huge, huge, 0, {})) == -1);
  CHECK(ranges_in(ack_of(huge, 1, 0, {huge, huge})) == -1);
  CHECK(ranges_in(ack_of(huge, 1, 0, {0, huge - 2})) == 2);
  CHECK(ranges_in(ack_of(huge, 2, 0, {0, huge - 2, 0, 0})) == -1);
  CHECK(ranges_in(ack_of(5, 0, 6, {})) == -1);
  std::vector<uint64_t> many;
  for (int i = 0; i < 64; ++i) many.insert(many.end(), {0, 0});
  CHECK(ranges_in(ack_of(huge, 64, 0, many)) == -1);
  many.resize(2 * 63);
  CHECK(ranges_in(ack_of(huge, 63, 0, many)) == 64);

  // And a connection that gets it: numbers that were never sent are a violation, no loop.
  for (const bool all : {false, true}) {
    OpenBook pair;
    Forger forger(pair, Pair::left);
    REQUIRE(pair.connect());
    pair.run(1s);
    forger.silence();
    const uint64_t sent = forger.heard_end(Pair::right) - 1;
    forger.send(
        [&](Writer& out) { out.bytes(all ? ack_of(huge, 0, huge, {}) : ack_of(sent, 0, 0, {})); });
    REQUIRE((pair.closed(Pair::right) != nullptr) == all);
    if (all) CHECK(pair.closed(Pair::right)->code == CloseCode::protocol_violation);
  }
}

TEST_CASE("museum: RakNet, packet numbers that leap leave gaps of bounded number") {
  OpenBook pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  uint64_t number = forger.heard_end(Pair::left);
  for (int i = 0; i < 3'000; ++i) {
    number += uint64_t{1} << (i % 28);
    pair.deliver(Pair::right, pair.path_from(Pair::right), forger.packet(ping, number));
    pair.pump_both();
  }
  CHECK(pair[Pair::right].is_consistent());  // the receiver's ranges are counted there
  CHECK_FALSE(pair.closed(Pair::right));
}

TEST_CASE(
    "museum: memberlist, long packets cut at every length are dropped, with a right trailer too") {
  Members pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  const size_t events = pair.events[Pair::right].size();
  for (const Bytes& packet : long_packets()) {
    for (size_t size = 1; size < packet.size(); ++size) {
      const Bytes cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(size));
      for (const Bytes& bytes : {cut, resealed(cut)})
        pair.deliver(Pair::right, pair.path_from(Pair::right), bytes);
    }
    // Grown, cut inside and padded again: what a parser meets that trusts the trailer.
    for (size_t at = long_header_bytes; at < packet.size() && at < 400; ++at) {
      Bytes hollow = packet;
      std::fill(hollow.begin() + static_cast<ptrdiff_t>(at), hollow.end(), uint8_t{0xff});
      pair.deliver(Pair::right, pair.path_from(Pair::right), resealed(hollow));
    }
  }
  pair.run(15s);
  CHECK(pair.events[Pair::right].size() == events);
  CHECK(pair[Pair::right].is_consistent());
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE(
    "museum: memberlist, short packets cut at every length are dropped, sealed anew they close") {
  OpenBook pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  const auto every_frame = [](Writer& out) {
    write_frame(out, PingFrame{});
    IntervalSet acked;
    acked.add(0, 1);
    write_ack(out, acked, 1ms);
    write_frame(out, AuthFrame{pattern(112, 1)});
    write_frame(out, MaxDataFrame{1 << 20});
    write_frame(out, MaxStreamsFrame{70});
    write_frame(out, DataBlockedFrame{9});
    write_frame(out, PathChallengeFrame{1});
    write_frame(out, PathResponseFrame{2});
    write_data_head(out, {make_stream_id(7, true, true), 0, 20, true, true});
    out.bytes(pattern(20, 1));
    write_frame(out, DatagramFrame{pattern(10, 1)});
    write_frame(out, CloseFrame{0x100, as_bytes("a reason")});
  };
  const Bytes whole = forger.packet(every_frame);
  for (size_t size = 1; size < whole.size(); ++size)
    pair.deliver(Pair::right, pair.path_from(Pair::right),
                 Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
  pair.pump_both();
  CHECK_FALSE(pair.closed(Pair::right));
  CHECK(pair[Pair::right].is_consistent());

  Bytes frames(2'000);
  Writer all(frames);
  every_frame(all);
  size_t closed = 0;
  for (size_t size = 1; size < all.size(); ++size) {
    OpenBook other(size);
    Forger speaker(other, Pair::left);
    REQUIRE(other.connect());
    speaker.silence();
    // Where it ends, the packet ends: no zeros behind it.
    if (size < short_packet_bytes_min) continue;
    speaker.send([&](Writer& out) { out.bytes(ByteView(frames).first(size)); });
    closed += other.closed(Pair::right) != nullptr ? 1 : 0;
    if (const auto* end = other.closed(Pair::right))
      CHECK((end->code == CloseCode::frame_encoding || end->code == CloseCode::protocol_violation));
    CHECK(other[Pair::right].is_consistent());
  }
  CHECK(closed > all.size() / 2);
}

TEST_CASE(
    "museum: syncthing, a length near 2^62 in any sized field is malformed, nothing is reserved") {
  const auto malformed = [](const Bytes& bytes) {
    Reader in(bytes);
    return !read_frame(in) && !in.ok();
  };
  // AUTH, DATAGRAM; DATA with a length; CLOSE after its code.
  for (const uint64_t length : {varint_max, varint_max - 1, uint64_t{1} << 61, uint64_t{1} << 32,
                                uint64_t{1} << 31, uint64_t{100}}) {
    for (const auto& head : {Bytes{0x05}, Bytes{0x18}, Bytes{0x12, 0x04}, Bytes{0x04, 0x00}}) {
      Builder out;
      out.bytes(head);
      out.varint(length);
      out.bytes(pattern(99, 1));
      CHECK(malformed(out.take()));
    }
    Builder offset;  // an offset, and an offset and length that pass 2^62 together
    offset.bytes(Bytes{0x16, 0x04});
    offset.varint(varint_max - 50);
    offset.varint(99);
    offset.bytes(pattern(99, 1));
    CHECK(malformed(offset.take()));
  }
  // Parameters, cookie, handshake bytes, reason, version list, parameter value.
  for (const Bytes& packet : long_packets()) {
    for (size_t at = long_header_bytes; at + 8 + trailer_bytes < packet.size() && at < 300; ++at) {
      Bytes bad = packet;
      std::fill_n(bad.begin() + static_cast<ptrdiff_t>(at), 8, uint8_t{0xff});
      bad = resealed(bad);
      // Whatever it is taken for, nothing in it is longer than the packet.
      if (const auto rcon = read_rcon(bad))
        CHECK(rcon->parameters.size() + rcon->handshake.size() < bad.size());
      if (const auto acon = read_acon(bad))
        CHECK(acon->parameters.size() + acon->handshake.size() < bad.size());
      if (const auto cookie = read_cookie(bad)) CHECK(cookie->cookie.size() < bad.size());
      if (const auto refuse = read_refuse(bad)) CHECK(refuse->reason.size() < bad.size());
      if (const auto list = read_version_list(bad)) CHECK(list->versions.size() < bad.size());
    }
  }
  Bytes parameter{1};
  parameter.resize(9, 0xff);
  CHECK_FALSE(read_parameters(parameter));
}

TEST_CASE("museum: iroh, a batch of any segment size is gone through once") {
  Members pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  Random random(seed_from(1));
  for (const uint8_t first : Bytes{0x00, 0x40, 0x80, 0xc0, 0xc5, 0xff}) {
    for (const size_t segment : {size_t{0}, size_t{1}, size_t{2}, size_t{65'507}, SIZE_MAX}) {
      Bytes batch(65'507, first);
      const size_t datagrams = segment == 0 ? 1 : (batch.size() - 1) / segment + 1;
      const auto before = pair[Pair::right].endpoint_stats().datagrams_received;
      pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(batch), segment);
      CHECK(pair[Pair::right].endpoint_stats().datagrams_received - before == datagrams);
    }
  }
  pair.deliver(Pair::right, pair.path_from(Pair::right), {}, 0);
  pair.deliver(Pair::right, pair.path_from(Pair::right), {}, 1);
  CHECK(message_passes(pair, Pair::left, 1));
}

TEST_CASE("museum: iroh, a batch whose end ends the connection of its beginning") {
  // One GRO batch: a packet of the connection, and behind it what makes the endpoint forget it.
  Members pair;
  Bytes reset;
  Bytes packet;
  REQUIRE(pair.connect());
  pair.run(1s);
  pair.watch = [&](Pair::Side, const Path&, ByteView sent) {
    packet.assign(sent.begin(), sent.end());
    if (read_reset(sent)) reset = packet;
  };
  // A RESET that is right, taken from the wire where the connection was forgotten.
  pair.drop = [](Pair::Side from, const Path&, ByteView) { return from == Pair::right; };
  pair[Pair::right].send_datagram(pair.now, *pair.id[Pair::right], pattern(20, 1));
  pair.pump_both();
  Bytes batch = packet;
  pair[Pair::right].close(pair.now, *pair.id[Pair::right], CloseCode::application, "");
  pair.run(2s);
  say(pair, Pair::left, shared_pattern(10, 1));
  pair.run(100ms);
  REQUIRE(!reset.empty());
  REQUIRE_FALSE(pair.closed(Pair::left));
  const size_t segment = batch.size();
  batch.insert(batch.end(), reset.begin(), reset.end());
  pair.deliver(Pair::left, pair.path_from(Pair::left), batch, segment);
  pair.pump_both();
  CHECK(pair.datagrams[Pair::left].size() == 1);
  REQUIRE(pair.closed(Pair::left));
  CHECK(pair.closed(Pair::left)->code == CloseCode::reset);
  CHECK(pair[Pair::left].is_consistent());
}

TEST_CASE("museum: a late packet that acknowledges our newest ack does not stop the program") {
  OpenBook pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  forger.silence();
  uint64_t ours = 0;
  forger.on_heard = [&](uint64_t number, ByteView) { ours = number; };
  const uint64_t late = forger.heard_end(Pair::left) + 2;
  for (uint64_t n = late + 1; n < late + 6; ++n) {
    pair.deliver(Pair::right, pair.path_from(Pair::right), forger.packet(ping, n));
    pair.pump_both();
  }
  pair.run(100ms);
  REQUIRE(ours > 0);
  const Bytes packet = forger.packet(
      [&](Writer& out) {
        IntervalSet acked;
        acked.add(ours, ours + 1);
        write_ack(out, acked, {});
        write_frame(out, DatagramFrame{pattern(9, 1)});
      },
      late);
  for (int times = 0; times < 2; ++times) {
    pair.deliver(Pair::right, pair.path_from(Pair::right), packet);
    pair.pump_both();
  }
  CHECK_FALSE(pair.closed(Pair::right));
  CHECK(pair.datagrams[Pair::right].size() == 1);  // and again it is a replay
}

TEST_CASE("museum: croc, a code is not guessed by trying: an hour of it is some thousand tries") {
  Members pair;
  size_t tries = 0;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    tries += from == Pair::right && is_long(packet, LongType::acon) ? 1 : 0;
  };
  // One guesser; each call is a new guess, made as soon as the last one has failed or been slow.
  constexpr int minutes = 5;
  const Instant until = pair.now + std::chrono::minutes(minutes);
  uint8_t guess = 0;
  size_t calls = 0;
  while (pair.now < until) {
    pair.replace(Pair::left, with_password(9, std::string(1, static_cast<char>(guess++))), ++calls);
    pair.events[Pair::left].clear();
    pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
    pair.run(150ms, [&] { return pair.closed(Pair::left) != nullptr; });
    CHECK(pair.count<Connected>(Pair::left) == 0);
  }
  CHECK(calls > 1'000);
  CHECK(tries <= minutes * 60 * 3 + 64 + 128);
  CHECK(tries >= 100);
  CHECK(pair.events[Pair::right].empty());
  CHECK(pair[Pair::right].is_consistent());
}

TEST_CASE("museum: a false sender ends no call, whether its share is one or not") {
  for (const bool valid : {false, true}) {
    for (const bool call_back : {false, true}) {
      Members pair(1, {.delay = 50ms});
      pair.id[Pair::left] = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
      pair.pump_both();
      // In the name of right, which left calls: the smallest handshake id there is.
      Rcon rcon;
      rcon.scid = 7;
      rcon.suites = suite_aes_128_gcm | suite_chacha20_poly1305;
      Builder parameters;
      write_parameters(parameters, {});
      rcon.parameters = parameters.take();
      Random random(seed_from(9));
      const Call call({Access::password, {'x'}}, "lab", rcon, random);
      if (!valid) std::fill(rcon.handshake.end() - 32, rcon.handshake.end(), uint8_t{0});
      pair.deliver(Pair::left, pair.path_from(Pair::left), write_packet(rcon));
      if (call_back) pair[Pair::right].connect(pair.now, pair.path_from(Pair::right));
      const Instant start = pair.now;
      REQUIRE(pair.run(5s, [&] {
        return pair.find<Connected>(Pair::left) && pair.find<Connected>(Pair::right);
      }));
      CHECK(pair.now - start < 1s);
      CHECK(message_passes(pair, Pair::left, 1));
      pair.run(15s);
      CHECK(pair[Pair::left].connections().size() == 1);
      CHECK(pair[Pair::left].is_consistent());
    }
  }
}

TEST_CASE("museum: nor does a false sender who calls first keep a call from being made") {
  Members pair;
  pair.deliver(Pair::left, pair.path_from(Pair::left),
               rcon_of(with_password(9, "guess"), 1, pair.address(Pair::left)));
  pair.run(1ms);
  REQUIRE(pair.connect(1s));
  CHECK(message_passes(pair, Pair::left, 1));
  CHECK(pair.count<Closed>(Pair::left) == 0);
}

TEST_CASE("museum: a member that speaks with another's sender address is not taken for that one") {
  OpenBook pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.run(1s);
  forger.silence();
  const Address other = Address::v4(203, 0, 113, 77, 7'700);
  pair.deliver(Pair::right, {pair.address(Pair::right), other}, forger.packet(ping));
  pair.pump_both();
  const auto id = pair[Pair::right].connect(pair.now, {pair.address(Pair::right), other});
  REQUIRE(id);
  CHECK(*id != *pair.id[Pair::right]);
}
