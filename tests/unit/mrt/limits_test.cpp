// SPDX-License-Identifier: MIT
//
// What a peer may say about acknowledgements and windows, at its most unreasonable: it ends the
// connection with its code, or costs next to nothing. A Forger speaks for the left side.
#include <doctest/doctest.h>

#include <algorithm>
#include <utility>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

// The right side writes; all that it says is heard here, and acknowledged when asked.
struct Listener {
  explicit Listener(const EndpointConfig& left_config = pair_config())
      : pair(1, {}, left_config, pair_config()), forger(pair, Pair::left) {
    forger.on_heard = [this](uint64_t number, ByteView frames) { hear(number, frames); };
    REQUIRE(pair.connect());
    pair.run(1s);
    forger.silence();
  }

  void hear(uint64_t number, ByteView frames) {
    heard.add(number, number + 1);
    fresh.push_back(number);
    ++packets;
    Reader in(frames);
    bool carries = false;
    while (in.remaining() > 0) {
      const auto frame = read_frame(in);
      REQUIRE(frame);
      if (const auto* bytes = std::get_if<DataFrame>(&*frame)) {
        carries |= !bytes->bytes.empty();
        got.add(bytes->offset, bytes->offset + bytes->bytes.size());
      }
      blocked += std::holds_alternative<DataBlockedFrame>(*frame) ||
                         std::holds_alternative<StreamDataBlockedFrame>(*frame)
                     ? 1
                     : 0;
    }
    data_packets += carries ? 1 : 0;
  }
  void ack(uint64_t begin, uint64_t end) {
    forger.send([&](Writer& out) {
      IntervalSet set;
      set.add(begin, end);
      write_ack(out, set, {});
    });
  }
  void ack_all() {
    forger.send([&](Writer& out) { write_ack(out, heard, {}); });
    fresh.clear();
  }
  size_t write(size_t size) {
    const size_t taken =
        pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, pattern(size, 1));
    pair.pump_both();
    return taken;
  }
  ConnectionStats stats() { return *pair[Pair::right].stats(*pair.id[Pair::right]); }

  Pair pair;
  Forger forger;
  IntervalSet heard;  // packet numbers
  std::vector<uint64_t> fresh;
  IntervalSet got;  // of the first stream
  size_t packets = 0;
  size_t data_packets = 0;
  size_t blocked = 0;  // frames that complain of a window
};

}  // namespace

TEST_CASE("numbers, sizes and counts at 2^62 - 1 close with their code or change nothing") {
  struct Case {
    const char* name;
    CloseCode code;
    std::function<void(Writer&)> frames;
  };
  const auto frame = [](auto f) { return [f](Writer& out) { write_frame(out, f); }; };
  const auto data = [](StreamId stream, uint64_t offset) {
    return [=](Writer& out) {
      write_data_head(out, {stream, offset, 1, false, true});
      out.u8(1);
    };
  };
  const auto ack = [](uint64_t largest, uint64_t delay, uint64_t first) {
    return [=](Writer& out) {
      out.u8(0x02);
      for (const uint64_t value : {largest, delay, uint64_t{0}, first}) out.varint(value);
    };
  };
  const StreamId message = make_stream_id(0, true, true);
  const StreamId last_message = make_stream_id(varint_max >> 2, true, true);
  const StreamId last_stream = make_stream_id(varint_max >> 2, false, true);
  const CloseCode fine = CloseCode::none;
  const std::vector<Case> cases = {
      {"ack of a number never sent", CloseCode::protocol_violation, ack(varint_max, 0, 0)},
      {"ack of all numbers", CloseCode::protocol_violation, ack(varint_max, 0, varint_max)},
      {"ack with a range below zero", CloseCode::frame_encoding, ack(5, 0, 6)},
      {"ack with the longest delay", fine, ack(0, varint_max, 0)},
      {"data at the end of a stream", CloseCode::flow_control, data(first_stream, varint_max - 1)},
      {"data beyond it", CloseCode::frame_encoding, data(first_stream, varint_max)},
      {"data at the end of a message", CloseCode::flow_control, data(message, varint_max - 1)},
      {"the last message", CloseCode::stream_limit, data(last_message, 0)},
      {"the last stream", CloseCode::stream_limit, data(last_stream, 0)},
      {"a reset at the end", CloseCode::flow_control,
       frame(ResetStreamFrame{first_stream, varint_max, varint_max})},
      {"a reset of a message at the end", CloseCode::flow_control,
       frame(ResetStreamFrame{message, varint_max, varint_max})},
      {"a reset with the last code", fine, frame(ResetStreamFrame{first_stream, varint_max, 0})},
      {"a stop with the last code", fine, frame(StopSendingFrame{first_stream, varint_max})},
      {"a stop of the last stream", CloseCode::stream_state,
       frame(StopSendingFrame{last_stream, 0})},
      {"no window ends", fine, frame(MaxDataFrame{varint_max})},
      {"nor that of a stream", fine, frame(MaxStreamDataFrame{first_stream, varint_max})},
      {"the window of a stream that cannot be", CloseCode::stream_state,
       frame(MaxStreamDataFrame{last_stream, varint_max})},
      {"streams without number", fine, frame(MaxStreamsFrame{varint_max})},
      {"blocked at the end", fine, frame(DataBlockedFrame{varint_max})},
      {"blocked at a stream's end", fine, frame(StreamDataBlockedFrame{first_stream, varint_max})},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Listener listener;
    Pair& pair = listener.pair;
    listener.write(5'000);
    listener.forger.send(c.frames);
    listener.forger.send(c.frames);
    listener.write(5'000);
    pair.run(1s);
    CHECK((pair.closed(Pair::right) != nullptr) == (c.code != fine));
    if (pair.closed(Pair::right)) CHECK(pair.closed(Pair::right)->code == c.code);
    CHECK(pair[Pair::right].is_consistent());
  }
}

TEST_CASE("a window that shrinks changes nothing: limits only rise") {
  EndpointConfig config = pair_config();
  config.stream_window_bytes = 20'000;
  Listener listener(config);
  for (const uint64_t less : {uint64_t{0}, uint64_t{1}, uint64_t{19'999}})
    listener.forger.send([&](Writer& out) {
      write_frame(out, MaxDataFrame{less});
      write_frame(out, MaxStreamDataFrame{first_stream, less});
      write_frame(out, MaxStreamsFrame{0});
    });
  listener.write(30'000);
  for (int i = 0; i < 50; ++i) {
    listener.ack_all();
    // Less again, while bytes are out beyond it.
    listener.forger.send([&](Writer& out) {
      write_frame(out, MaxDataFrame{5});
      write_frame(out, MaxStreamDataFrame{first_stream, 5});
    });
    listener.pair.run(30ms);
  }
  CHECK(listener.got.first_gap(0) == 20'000);
  CHECK(listener.pair[Pair::right].open_stream(*listener.pair.id[Pair::right], Priority::normal));
  CHECK(!listener.pair.closed(Pair::right));
  CHECK(listener.pair[Pair::right].is_consistent());
}

TEST_CASE("a peer that opens its windows byte by byte gets no tiny packets") {
  for (const bool of_stream : {true, false}) {
    CAPTURE(of_stream);
    EndpointConfig config = pair_config();
    config.message_bytes_max = 5'000;
    config.stream_window_bytes = of_stream ? 10'000 : 1'000'000;
    config.receive_window_bytes = of_stream ? 1'000'000 : 10'000;
    Listener listener(config);
    listener.write(100'000);
    for (int i = 0; i < 20; ++i) {
      listener.ack_all();
      listener.pair.run(30ms);
    }
    REQUIRE(listener.got.first_gap(0) == 10'000);
    const auto raise = [&](uint64_t bytes) {
      listener.forger.send([&](Writer& out) {
        if (of_stream)
          write_frame(out, MaxStreamDataFrame{first_stream, bytes});
        else
          write_frame(out, MaxDataFrame{bytes});
      });
    };
    listener.data_packets = listener.blocked = 0;
    uint64_t window = 10'000;
    for (int i = 0; i < 5'120; ++i) raise(++window);
    // One byte, since nothing was out; then by pieces that are worth it.
    CHECK(listener.data_packets <= 1 + 5'120 / 512);
    CHECK(listener.data_packets >= 5);
    CHECK(listener.blocked <= 1 + 5'120 / 512);

    // Where all is acknowledged at once a byte goes for each that is granted: nothing is stuck, and
    // the peer pays as much.
    listener.ack_all();
    const size_t before = listener.data_packets;
    for (int i = 0; i < 100; ++i) {
      raise(++window);
      listener.ack_all();
    }
    CHECK(listener.data_packets - before <= 110);
    listener.pair.run(10ms);
    CHECK(listener.got.first_gap(0) == window);
    // A window worth the name, and it goes on as ever.
    raise(200'000);
    for (int i = 0; i < 50; ++i) {
      listener.ack_all();
      listener.pair.run(30ms);
    }
    CHECK(listener.got.first_gap(0) == 100'000);
    CHECK(listener.stats().queued_bytes == 0);
    CHECK(listener.pair[Pair::right].is_consistent());
  }
}

TEST_CASE("a peer that acknowledges packet by packet, in whatever order, is as good as any") {
  for (const bool backwards : {false, true}) {
    CAPTURE(backwards);
    Listener listener;
    listener.write(300'000);
    size_t acks = 0;
    for (int round = 0; round < 2'000 && listener.got.first_gap(0) < 300'000; ++round) {
      auto numbers = std::exchange(listener.fresh, {});
      if (backwards) std::reverse(numbers.begin(), numbers.end());
      for (const uint64_t number : numbers) listener.ack(number, number + 1);
      acks += numbers.size();
      listener.pair.run(5ms);
    }
    CHECK(listener.got.first_gap(0) == 300'000);
    CHECK(acks >= 50);
    listener.ack_all();
    // All is told, and an ack alone is never answered.
    const size_t before = listener.packets;
    for (int i = 0; i < 1'000; ++i) listener.ack_all();
    CHECK(listener.packets - before <= 1);
    CHECK(listener.stats().in_flight_bytes == 0);
    CHECK(!listener.pair.closed(Pair::right));
    CHECK(listener.pair[Pair::right].is_consistent());
  }
}

TEST_CASE("acks of the same and of ever other ranges, full of holes, cost nothing but themselves") {
  Listener listener;
  Random random(seed_from(1));
  const size_t written = listener.write(400'000);
  for (int i = 0; i < 3'000; ++i) {
    // Any numbers that were heard, old ones too, with holes between.
    IntervalSet some;
    const auto& all = listener.heard.intervals();
    const uint64_t end = all.back().end;
    for (int k = 0; k < 40; ++k) {
      const uint64_t number = random.below(end);
      if (listener.heard.contains(number)) some.add(number, number + 1);
    }
    if (!some.empty()) listener.forger.send([&](Writer& out) { write_ack(out, some, {}); });
    if (i % 10 == 0) listener.pair.run(1ms);
  }
  for (int i = 0; i < 400 && listener.stats().queued_bytes > 0; ++i) {
    listener.ack_all();
    listener.pair.run(30ms);
  }
  CHECK(listener.got.first_gap(0) == written);
  CHECK(listener.stats().queued_bytes == 0);
  CHECK(listener.stats().in_flight_bytes == 0);
  CHECK(!listener.pair.closed(Pair::right));
}

TEST_CASE("a peer that never reads bounds what is kept for it, the interactive part too") {
  EndpointConfig config = pair_config();
  config.send_buffer_bytes = 100'000;
  Pair pair(1, {}, config);
  pair.reads[Pair::right] = false;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const auto bulk = left.open_stream(*pair.id[Pair::left], Priority::bulk);
  const auto chat = left.open_stream(*pair.id[Pair::left], Priority::interactive);
  size_t taken = 0;
  for (int i = 0; i < 200; ++i) {
    left.write(pair.now, *pair.id[Pair::left], *bulk, pattern(50'000, 1));
    taken += left.write(pair.now, *pair.id[Pair::left], *chat, pattern(50'000, 1));
    left.send_message(pair.now, *pair.id[Pair::left], Priority::interactive,
                      shared_pattern(5'000, 1));
    pair.run(50ms);
    CHECK(left.stats(*pair.id[Pair::left])->queued_bytes <= 100'000 + 16 * 1024);
  }
  CHECK(left.write(pair.now, *pair.id[Pair::left], *chat, pattern(50'000, 1)) == 0);
  CHECK(taken > 0);
  CHECK(!pair.closed(Pair::left));
  CHECK(!pair.closed(Pair::right));
}
