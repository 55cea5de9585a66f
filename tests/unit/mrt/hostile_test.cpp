// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

// A connection with traffic both ways, and every packet that passed.
struct Recorded {
  explicit Recorded(Pair& pair) {
    pair.watch = [this](Pair::Side from, const Path&, ByteView packet) {
      packets[from].emplace_back(packet.begin(), packet.end());
    };
  }
  std::array<std::vector<Bytes>, 2> packets;
};

void exchange(Pair& pair, uint64_t first, uint64_t count) {
  for (uint64_t i = first; i < first + count; ++i)
    for (const Pair::Side side : {Pair::left, Pair::right})
      pair[side].send_message(pair.now, *pair.id[side], Priority::normal, shared_pattern(200, i));
}

}  // namespace

TEST_CASE("garbage of any size and first byte is counted and dropped") {
  Pair pair;
  REQUIRE(pair.connect());
  Random random(seed_from(3));
  const auto before = pair[Pair::right].endpoint_stats();
  const size_t rounds = 5'000;
  for (size_t i = 0; i < rounds; ++i) {
    Bytes bytes(1 + random.below(1'500));
    random.fill(bytes);
    const Path path{pair.address(Pair::right),
                    random.chance(0.5)
                        ? pair.address(Pair::left)
                        : Address::v4(203, 0, 113, 5, uint16_t(random.below(9'999)))};
    pair.deliver(Pair::right, path, bytes);
  }
  const auto after = pair[Pair::right].endpoint_stats();
  CHECK(after.datagrams_received - before.datagrams_received == rounds);
  // All but the few that happen to begin like an OPENING.
  CHECK(after.datagrams_dropped - before.datagrams_dropped >= rounds - rounds / 100);
  pair.run(1s);
  CHECK(!pair.closed(Pair::left));
  CHECK(!pair.closed(Pair::right));
  CHECK(pair[Pair::right].connections().size() == 1);
  CHECK(pair[Pair::right].is_consistent());
}

TEST_CASE("a batch that holds garbage between packets still gives the packets") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  Bytes batch;
  std::vector<Bytes> packets;
  pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left) packets.emplace_back(packet.begin(), packet.end());
  };
  pair.drop = [](Pair::Side, const Path&, ByteView) { return true; };
  pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                shared_pattern(2'250, 1));
  pair.pump_both();
  REQUIRE(packets.size() == 2);
  REQUIRE(packets[0].size() == packet_bytes_initial);
  batch = packets[0];
  batch.resize(2 * packet_bytes_initial, 0x42);
  batch.insert(batch.end(), packets[1].begin(), packets[1].end());
  pair.deliver(Pair::right, pair.path_from(Pair::right), batch, packet_bytes_initial);
  pair.pump_both();
  CHECK(pair.messages[Pair::right].size() == 1);
}

TEST_CASE("packets of a real connection, cut, mutated or replayed, change nothing") {
  Pair pair;
  Recorded recorded(pair);
  REQUIRE(pair.connect());
  exchange(pair, 0, 20);
  pair.run(1s);
  const auto messages = pair.messages;
  REQUIRE(messages[Pair::right].size() == 20);
  const size_t events = pair.events[Pair::right].size();
  Random random(seed_from(4));
  const auto packets = recorded.packets[Pair::left];
  for (int i = 0; i < 20'000; ++i) {
    Bytes packet = packets[random.below(packets.size())];
    switch (random.below(3)) {
      case 0:
        packet.resize(random.below(packet.size() + 1));
        break;
      case 1:
        for (uint64_t n = 1 + random.below(4); n > 0; --n)
          packet[random.below(packet.size())] ^= static_cast<uint8_t>(1 + random.below(255));
        break;
      default:
        break;
    }
    if (packet.empty()) continue;
    pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(packet));
    if (i % 100 == 0) pair.run(1ms);
  }
  pair.run(1s);
  CHECK(pair.messages == messages);
  CHECK(pair.events[Pair::right].size() == events);
  CHECK(pair[Pair::right].endpoint_stats().datagrams_dropped > 10'000);
  CHECK(pair[Pair::right].is_consistent());
  exchange(pair, 20, 1);
  CHECK(pair.run(1s, [&] { return pair.messages[Pair::right].size() == 21; }));
}

TEST_CASE("random frames under the right seal close the connection or change nothing bad") {
  for (uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Pair pair(seed);
    Forger forger(pair, Pair::left);
    REQUIRE(pair.connect());
    forger.silence();
    Random random(seed_from(seed));
    for (int i = 0; i < 30 && !pair.closed(Pair::right); ++i) {
      forger.send([&](Writer& out) {
        for (uint64_t n = 1 + random.below(4); n > 0; --n) {
          out.u8(static_cast<uint8_t>(random.below(0x19)));
          for (uint64_t k = random.below(5); k > 0; --k)
            out.varint(random.below(uint64_t{1} << random.below(random.chance(0.1) ? 62 : 9)));
        }
      });
      CHECK(pair[Pair::right].is_consistent());
    }
    CHECK(pair.count<Closed>(Pair::right) <= 1);
    CHECK(pair.events[Pair::right].size() < 200);
  }
}

TEST_CASE("messages that are begun and never finished hold no more than the window") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 200'000;
  config.message_bytes_max = 100'000;
  Pair pair(1, {}, config);
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  for (uint64_t i = 0; i < 3 && !pair.closed(Pair::right); ++i)
    forger.send_data(make_stream_id(i, true, true), 99'999, pattern(1, 1));
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->code == CloseCode::flow_control);
}

TEST_CASE("messages without bytes that nobody takes are bounded") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair.polls_events[Pair::right] = false;
  forger.silence();
  uint64_t index = 0;
  for (int i = 0; i < 1'000; ++i)
    forger.send([&](Writer& out) {
      for (int n = 0; n < 100; ++n)
        write_data_head(out, {make_stream_id(index++, true, true), 0, 0, true, true});
    });
  const auto dropped = pair[Pair::right].endpoint_stats().datagrams_dropped;
  CHECK(dropped > 800);
  pair.polls_events[Pair::right] = true;
  pair.pump_both();
  CHECK(pair.messages[Pair::right].size() <= 16'384 + 100);
}

TEST_CASE("a peer that acknowledges nothing but makes us acknowledge is closed in the end") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  pair[Pair::right].send_message(pair.now, *pair.id[Pair::right], Priority::normal,
                                 shared_pattern(10, 1));
  for (int i = 0; i < 70'000 && !pair.closed(Pair::right); ++i) {
    // Two packets ask for an ack at once.
    Bytes two = forger.packet([](Writer& out) { write_frame(out, PingFrame{}); });
    const Bytes second = forger.packet([](Writer& out) { write_frame(out, PingFrame{}); });
    const size_t size = two.size();
    two.insert(two.end(), second.begin(), second.end());
    pair.deliver(Pair::right, pair.path_from(Pair::right), std::move(two), size);
    if (i % 2'000 == 0) pair.run(1ms);
    pair.pump_both();
  }
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->code == CloseCode::protocol_violation);
}

TEST_CASE("challenges are answered where they came from, and only so many at once") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  std::vector<uint64_t> answers;
  forger.on_heard = [&](uint64_t, ByteView frames) {
    Reader in(frames);
    while (in.remaining() > 0) {
      const auto frame = read_frame(in);
      if (!frame) return;
      if (const auto* response = std::get_if<PathResponseFrame>(&*frame))
        answers.push_back(response->value);
    }
  };
  forger.send([](Writer& out) {
    for (uint64_t i = 0; i < 50; ++i) write_frame(out, PathChallengeFrame{i});
  });
  CHECK(answers == std::vector<uint64_t>{0, 1, 2, 3});
}

TEST_CASE("a flood of new callers leaves open connections alone") {
  EndpointConfig config = pair_config();
  config.half_open_max = 20;
  Pair pair(1, {}, config);
  REQUIRE(pair.connect());
  Builder parameters;
  write_parameters(parameters, {});
  const Bytes encoded = parameters.take();
  for (uint64_t i = 0; i < 2'000; ++i) {
    Rcon rcon;
    rcon.scid = 1 + i;
    rcon.id = {uint8_t(i), uint8_t(i >> 8), 7};
    rcon.parameters = encoded;
    pair.deliver(Pair::right,
                 {pair.address(Pair::right), Address::v4(203, 0, 113, uint8_t(i), uint16_t(i + 1))},
                 write_packet(rcon));
    if (i % 50 == 0) pair.run(1ms);
  }
  CHECK(pair[Pair::right].is_consistent());
  exchange(pair, 1, 5);
  CHECK(pair.run(1s, [&] { return pair.messages[Pair::right].size() == 5; }));
}
