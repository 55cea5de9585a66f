// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

bool is_short(ByteView packet) { return packet_form(packet[0]) == PacketForm::short_packet; }

}  // namespace

TEST_CASE("a lost ack is repaired by the next ack") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  int acks_lost = 0;
  pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
    return from == Pair::right && is_short(packet) && ++acks_lost <= 2;
  };
  for (uint64_t i = 0; i < 6; ++i) {
    pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                  shared_pattern(50, i));
    pair.run(26ms);
  }
  REQUIRE(pair.run(
      1s, [&] { return pair[Pair::left].stats(*pair.id[Pair::left])->in_flight_bytes == 0; }));
  CHECK(acks_lost > 2);
  CHECK(pair.messages[Pair::right].size() == 6);
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->bytes_retransmitted <= 3 * 50);
}

TEST_CASE("an ack for a lone packet waits 25 ms at most, for two packets not at all") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  std::vector<Instant> acks;
  pair.watch = [&](Pair::Side from, const Path&, ByteView) {
    if (from == Pair::right) acks.push_back(pair.now);
  };
  const Instant start = pair.now;
  pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                shared_pattern(50, 1));
  pair.run(1s);
  REQUIRE(acks.size() == 1);
  CHECK(acks[0] - start == 5ms + 25ms);

  acks.clear();
  const Instant again = pair.now;
  pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                shared_pattern(5'000, 1));
  pair.run(1s);
  // One batch of several packets: one ack.
  REQUIRE(acks.size() == 1);
  CHECK(acks[0] - again == 5ms);
}

TEST_CASE(
    "packet numbers are never used twice, whatever is lost, and what is lost is framed anew") {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    Pair pair(seed, {.loss = 0.3, .duplicate = 0.1});
    std::array<std::set<uint64_t>, 2> numbers;
    std::array<uint64_t, 2> end{};
    std::array<size_t, 2> packets{};
    pair.watch = [&](Pair::Side from, const Path&, ByteView packet) {
      if (!is_short(packet)) return;
      const auto header = read_short_header(packet);
      REQUIRE(header);
      const uint64_t number =
          expand_packet_number(header->number_truncated, header->number_bytes, end[from]);
      numbers[from].insert(number);
      end[from] = std::max(end[from], number + 1);
      ++packets[from];
    };
    REQUIRE(pair.connect());
    pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, pattern(300'000, 1));
    REQUIRE(
        pair.run(300s, [&] { return pair.streams[Pair::right][first_stream].size() == 300'000; }));
    for (const Pair::Side side : {Pair::left, Pair::right})
      CHECK(numbers[side].size() == packets[side]);
  }
}

TEST_CASE("an ack of a packet that was never sent closes with protocol_violation") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  forger.send([&](Writer& out) {
    IntervalSet acked;
    acked.add(0, forger.heard_end(Pair::right) + 5'000);
    write_ack(out, acked, {});
  });
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->code == CloseCode::protocol_violation);
}

TEST_CASE("a peer that acknowledges everything in advance is caught by a number left out") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  const Bytes text = pattern(1'000'000, 1);
  for (int i = 0; i < 5'000 && !pair.closed(Pair::right); ++i) {
    pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, text);
    pair.run(1ms);
    const uint64_t end = forger.heard_end(Pair::right);
    if (end == 0) continue;
    forger.send([&](Writer& out) {
      IntervalSet acked;
      acked.add(0, end);  // with the holes in it
      write_ack(out, acked, {});
      write_frame(out, MaxDataFrame{varint_max});
      write_frame(out, MaxStreamDataFrame{first_stream, varint_max});
    });
  }
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->code == CloseCode::protocol_violation);
}

TEST_CASE("reordering raises the threshold: what was only late is seen as such") {
  EndpointConfig config = pair_config();
  // A path without a bottleneck lets the model grow without end, and a receiver remembers only so
  // many gaps.
  config.congestion = CongestionControl::cubic;
  Pair pair(7, {.delay = 10ms, .reorder = 0.2}, config);
  REQUIRE(pair.connect());
  const Bytes text = pattern(1'500'000, 1);
  CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, text) == text.size());
  REQUIRE(
      pair.run(60s, [&] { return pair.streams[Pair::right][first_stream].size() == text.size(); }));
  pair.run(1s);
  const auto stats = *pair[Pair::left].stats(*pair.id[Pair::left]);
  // Nothing was lost at all.
  CHECK(stats.packets_lost_spuriously == stats.packets_lost);
  CHECK(stats.packets_lost * 10 < stats.packets_sent);
}

TEST_CASE("where all may lie in it, in flight stays below half of the peer's socket buffer") {
  EndpointConfig small = pair_config();
  small.socket_buffer_bytes = 40'000;
  Pair pair(1, {.delay = 200us}, pair_config(), small);
  REQUIRE(pair.connect());
  pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, pattern(2'000'000, 1));
  size_t most = 0;
  pair.run(20s, [&] {
    most = std::max(most, pair[Pair::left].stats(*pair.id[Pair::left])->in_flight_bytes);
    return pair.streams[Pair::right][first_stream].size() == 2'000'000;
  });
  CHECK(pair.streams[Pair::right][first_stream].size() == 2'000'000);
  CHECK(most <= 20'000);
  CHECK(most >= 15'000);
}

TEST_CASE("on a longer path it is the network that holds what is in flight") {
  EndpointConfig small = pair_config();
  small.socket_buffer_bytes = 40'000;
  Pair pair(1, {.delay = 50ms}, pair_config(), small);
  REQUIRE(pair.connect());
  pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, pattern(2'000'000, 1));
  REQUIRE(
      pair.run(2s, [&] { return pair.streams[Pair::right][first_stream].size() == 2'000'000; }));
}

TEST_CASE("the packet size rises to what the path carries, and no further") {
  for (const size_t mtu : {1'200u, 1'300u, 1'472u, 9'000u, 20'000u, 65'535u}) {
    CAPTURE(mtu);
    EndpointConfig config = pair_config();
    config.socket_buffer_bytes = 4'000'000;
    Pair pair(1, {.mtu = mtu}, config);
    REQUIRE(pair.connect());
    size_t got = 0;
    pair.on_event = [&](Pair::Side side, const Event& event) {
      if (const auto* m = std::get_if<MessageReceived>(&event); m && side == Pair::right)
        got += m->bytes.size();
    };
    const auto block = shared_pattern(50'000, 1);
    REQUIRE(pair.run(60s, [&] {
      while (
          pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal, block)) {
      }
      pair.messages[Pair::right].clear();
      const size_t found = pair[Pair::left].stats(*pair.id[Pair::left])->mtu_bytes;
      return got > 5'000'000 && found + 16 >= std::min<size_t>(mtu, 65'507);
    }));
    const auto stats = *pair[Pair::left].stats(*pair.id[Pair::left]);
    CHECK(stats.mtu_bytes <= mtu);
    // Lost probes are no sign of congestion.
    CHECK(stats.packets_lost == 0);
  }
}

TEST_CASE("an idle connection sends no probes of its packet size") {
  Pair pair;
  REQUIRE(pair.connect());
  size_t largest = 0;
  pair.watch = [&](Pair::Side, const Path&, ByteView packet) {
    largest = std::max(largest, packet.size());
  };
  pair.run(60s);
  CHECK(largest < 100);
}

TEST_CASE("a black hole after the packet size has grown repairs itself") {
  EndpointConfig config = pair_config();
  config.socket_buffer_bytes = 4'000'000;
  Pair pair(1, {.mtu = 9'000}, config);
  REQUIRE(pair.connect());
  pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, pattern(2'000'000, 1));
  REQUIRE(pair.run(
      10s, [&] { return pair[Pair::left].stats(*pair.id[Pair::left])->mtu_bytes == 8'972; }));
  pair.run(1s);
  pair.weather.mtu = 1'400;
  const Bytes text = pattern(1'000'000, 2);
  const auto stream = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::normal);
  REQUIRE(stream);
  CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, text) == text.size());
  REQUIRE(pair.run(30s, [&] { return pair.streams[Pair::right][*stream].size() == text.size(); }));
  CHECK(pair.streams[Pair::right][*stream] == text);
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->mtu_bytes == 1'400);
}

TEST_CASE("30 % loss alone is not taken for a black hole for long") {
  EndpointConfig config = pair_config();
  config.send_buffer_bytes = 100'000;  // a transfer long enough for the search
  Pair pair(3, {.loss = 0.3}, config);
  REQUIRE(pair.connect());
  const Bytes text = pattern(10'000'000, 1);
  size_t written = 0;
  CHECK(pair.run(600s, [&] {
    written += pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream,
                                      ByteView(text).subspan(written));
    return pair.streams[Pair::right][first_stream].size() == text.size();
  }));
  CHECK(pair.streams[Pair::right][first_stream] == text);
  CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->mtu_bytes >= 1'400);
}

TEST_CASE("lost bulk goes out again while an urgent message waits for the peer's window") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 4'096;
  config.message_bytes_max = 3'000;
  Pair pair(1, {}, config);
  REQUIRE(pair.connect());
  const auto stream = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::bulk);
  REQUIRE(stream);
  const Bytes sent = pattern(16'000, 1);
  bool lost = false;
  pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
    if (lost || from == Pair::right || packet.size() < 1'000) return false;
    return lost = true;
  };
  size_t written = 0;
  const auto write = [&] {
    written += pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream,
                                      ByteView(sent).subspan(written));
  };
  write();
  pair.pump_both();
  // The window is used up by now, and the message has to wait for more of it.
  REQUIRE(pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::interactive,
                                        shared_pattern(2'999, 2)));
  pair.run(5s, [&] {
    if (written < sent.size()) write();
    return pair.streams[Pair::right][*stream].size() == sent.size() &&
           pair.messages[Pair::right].size() == 1;
  });
  CHECK(lost);
  CHECK(pair.streams[Pair::right][*stream] == sent);
  CHECK(pair.messages[Pair::right].size() == 1);
}

TEST_CASE("what is lost at the tail of a flight is there one round trip later, and some") {
  EndpointConfig config = pair_config();
  config.mtu_bytes_max = packet_bytes_initial;
  constexpr size_t packet_bytes = 1'160;  // of the stream in each, but for some bytes
  for (const auto& [packets, lost] :
       {std::pair<size_t, size_t>{40, 1}, {40, 3}, {40, 20}, {10, 1}, {3, 1}, {2, 2}, {1, 1}}) {
    CAPTURE(packets);
    CAPTURE(lost);
    Pair pair(1, {.delay = 50ms}, config);
    REQUIRE(pair.connect());
    const auto stream = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::normal);
    REQUIRE(stream);
    // A round trip that is known well, and a window that lets the flight go.
    for (int i = 0; i < 30; ++i) {
      pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, pattern(30'000, 1));
      pair.run(300ms);
    }
    const size_t before = pair.streams[Pair::right][*stream].size();
    REQUIRE(before == 30 * 30'000);
    const size_t bytes = packets * packet_bytes;
    size_t to_come = bytes;  // for the first time
    size_t dropped = 0;
    Instant last_left{};
    pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
      if (from != Pair::left || packet.size() < 500 || to_come == 0) return false;
      to_come -= std::min(to_come, packet_bytes);
      last_left = pair.now;
      const bool goes = to_come >= lost * packet_bytes;
      dropped += goes ? 0 : 1;
      return !goes;
    };
    pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, pattern(bytes, 1));
    REQUIRE(
        pair.run(5s, [&] { return pair.streams[Pair::right][*stream].size() == before + bytes; }));
    CHECK(dropped == lost);
    // RFC 9002 section 6.2.1: the peer's delay of 25 ms is waited for where one packet is out.
    CHECK(pair.now - last_left <= 50ms + 100ms + 25ms + 5ms);
  }
}

TEST_CASE("what one reading has brought is acknowledged once, in however many runs it came") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  std::vector<Bytes> runs;
  pair.drop = [&](Pair::Side from, const Path&, ByteView packet) {
    if (from == Pair::left) runs.emplace_back(packet.begin(), packet.end());
    return from == Pair::left;
  };
  pair[Pair::left].write(pair.now, *pair.id[Pair::left], first_stream, pattern(10'000, 1));
  pair.pump_both();
  REQUIRE(runs.size() >= 8);
  const size_t before = pair.datagrams_sent[Pair::right];
  // Each run with a packet of its own, one of them twice and two out of order.
  std::swap(runs[2], runs[3]);
  runs.push_back(runs[5]);
  for (const Bytes& run : runs) pair.deliver(Pair::right, pair.path_from(Pair::right), run);
  pair.pump_both();
  CHECK(pair.datagrams_sent[Pair::right] == before + 1);
  CHECK(pair.streams[Pair::right][first_stream].size() == 10'000);
}

TEST_CASE("a batch is of as many packets of one size as the kernel takes at once") {
  for (const size_t packet_bytes : {size_t{1'200}, size_t{1'472}}) {
    EndpointConfig config = pair_config();
    config.mtu_bytes_max = packet_bytes;
    config.socket_buffer_bytes = 4'000'000;
    Pair pair(1, {.delay = 300us}, config);
    REQUIRE(pair.connect());
    Endpoint& left = pair[Pair::left];
    Bytes buffer(batch_bytes_max);
    const Bytes bulk = pattern(1'000'000, 1);
    size_t most = 0;
    for (int i = 0; i < 300; ++i) {
      left.write(pair.now, *pair.id[Pair::left], first_stream, bulk);
      // One batch is looked at and lost; what was written goes on meanwhile.
      if (const auto batch = left.poll_transmit(pair.now, buffer)) {
        CHECK(batch->segment_size <= packet_bytes);
        if (batch->segment_size == packet_bytes) most = std::max(most, batch->size / packet_bytes);
      }
      pair.run(2ms);
    }
    CHECK(most == std::min(batch_bytes_max / packet_bytes, batch_segments_max));
  }
}
