// SPDX-License-Identifier: MIT
//
// Small messages first: what a stream of short lines meets on a lossy path, alone and beside bulk,
// and what its repetition costs.
#include "mrt/repetition.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

constexpr size_t line_bytes = 100;

// Lines on an ordered stream at a steady pace, left to right, and how long each took.
struct Chat {
  explicit Chat(Pair& world, Priority priority = Priority::interactive) : pair(world) {
    stream = *pair[Pair::left].open_stream(*pair.id[Pair::left], priority);
  }

  void say(size_t count, Duration interval = 10ms, const std::function<void()>& beside = {}) {
    for (size_t i = 0; i < count; ++i) {
      sent.push_back(pair.now);
      CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], stream,
                                   pattern(line_bytes, sent.size())) == line_bytes);
      listen(interval, beside);
    }
  }
  // Runs the world; true as soon as all that was said has arrived, where that is asked for.
  bool listen(Duration time, const std::function<void()>& beside = {}, bool until_all = false) {
    return pair.run(time, [&] {
      if (beside) beside();
      while (took.size() < pair.streams[Pair::right][stream].size() / line_bytes)
        took.push_back(pair.now - sent[took.size()]);
      return until_all && took.size() == sent.size();
    });
  }
  int64_t percentile(size_t hundredths) const {
    std::vector<Duration> sorted = took;
    std::sort(sorted.begin(), sorted.end());
    return to_ms(sorted[std::min(sorted.size() - 1, sorted.size() * hundredths / 100)]);
  }
  ConnectionStats stats() const { return *pair[Pair::left].stats(*pair.id[Pair::left]); }

  Pair& pair;
  StreamId stream;
  std::vector<Instant> sent;
  std::vector<Duration> took;
};

// Bulk in a stream of its own, as much as is taken.
struct Bulk {
  explicit Bulk(Pair& world) : pair(world) {
    stream = *pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::bulk);
  }
  void fill() {
    while (pair[Pair::left].write(pair.now, *pair.id[Pair::left], stream, block) > 0) {
    }
  }
  size_t arrived() { return pair.streams[Pair::right][stream].size(); }

  Pair& pair;
  StreamId stream;
  Bytes block = pattern(50'000, 7);
};

}  // namespace

TEST_CASE("100 lines a second over 100 ms and 5 % loss: p99 stays near the one-way delay") {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, {.delay = 50ms, .loss = 0.05});
    REQUIRE(pair.connect());
    Chat chat(pair);
    chat.say(2'000);
    REQUIRE(chat.listen(1s, {}, true));
    CHECK(chat.percentile(50) == 50);
    CHECK(chat.percentile(99) <= 70);
    CHECK(chat.percentile(100) <= 110);

    // The same without copies, since its priority asks for none: losses cost a round trip.
    Pair other(seed, {.delay = 50ms, .loss = 0.05});
    REQUIRE(other.connect());
    Chat naive(other, Priority::normal);
    naive.say(2'000);
    REQUIRE(naive.listen(5s, {}, true));
    CHECK(naive.percentile(99) > 150);
  }
}

TEST_CASE("20 % loss: lines are late by some packets, not by round trips") {
  Pair pair(4, {.delay = 50ms, .loss = 0.2});
  REQUIRE(pair.connect());
  Chat chat(pair);
  chat.say(2'000);
  REQUIRE(chat.listen(1s, {}, true));
  CHECK(chat.percentile(50) <= 60);
  CHECK(chat.percentile(99) <= 110);
}

TEST_CASE("lines beside bulk on a lossy path are as quick as alone") {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    EndpointConfig config = pair_config();
    config.send_buffer_bytes = 200'000;  // the wire of a Pair has no other end to its speed
    Pair pair(seed, {.delay = 50ms, .loss = 0.05}, config);
    REQUIRE(pair.connect());
    Chat chat(pair);
    Bulk bulk(pair);
    chat.say(2'000, 10ms, [&] { bulk.fill(); });
    REQUIRE(chat.listen(
        1s, [&] { bulk.fill(); }, true));
    CHECK(bulk.arrived() > 500'000);
    CHECK(chat.percentile(50) == 50);
    CHECK(chat.percentile(99) <= 70);
    CHECK(chat.percentile(100) <= 130);
  }
}

TEST_CASE("a line waits for neither the window nor the pacing that bulk has used up") {
  Pair pair(2, {.delay = 50ms});
  REQUIRE(pair.connect());
  Chat chat(pair);
  Bulk bulk(pair);
  bulk.fill();
  pair.pump_both();
  // The first flight of bulk is out, and the next packet of it has to wait.
  REQUIRE(pair[Pair::left].next_timeout() > pair.now);
  chat.say(1);
  for (int i = 0; i < 300; ++i) chat.say(1, 10ms, [&] { bulk.fill(); });
  REQUIRE(chat.listen(1s, {}, true));
  CHECK(chat.percentile(100) == 50);
}

TEST_CASE("lines go on while bulk waits for the peer to read") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 400 * 1024;
  config.stream_window_bytes = 1024 * 1024;
  Pair pair(1, {.delay = 20ms}, config);
  pair.reads[Pair::right] = false;
  REQUIRE(pair.connect());
  Chat chat(pair);
  Bulk bulk(pair);
  chat.say(1, 3s, [&] { bulk.fill(); });
  // Bulk has taken all that it may have of the window, and nobody reads it.
  size_t heard = 0;
  Bytes chunk(1'000);
  for (int i = 0; i < 50; ++i) {
    chat.say(1, 25ms);
    while (const size_t size =
               pair[Pair::right].read(pair.now, *pair.id[Pair::right], chat.stream, chunk))
      heard += size;
    CHECK(heard == chat.sent.size() * line_bytes);
  }
}

TEST_CASE("what is urgent goes beyond the window with ten packets at once and 1 Mb/s at most") {
  Pair pair(1, {.delay = 50ms});
  REQUIRE(pair.connect());
  Chat chat(pair);
  Bulk bulk(pair);
  bulk.fill();
  pair.run(1ms);
  // An interactive stream that is not small at all has to keep to the window like any other.
  const Bytes much = pattern(16'000, 3);
  const auto excess = [&] {
    const auto stats = chat.stats();
    return stats.in_flight_bytes > stats.window_bytes ? stats.in_flight_bytes - stats.window_bytes
                                                      : 0;
  };
  size_t most = 0;
  pair.run(5s, [&] {
    pair[Pair::left].write(pair.now, *pair.id[Pair::left], chat.stream, much);
    most = std::max(most, excess());
    return false;
  });
  CHECK(pair.streams[Pair::right][chat.stream].size() > 500'000);
  // Of a window that is full, and a round trip's worth.
  CHECK(most <= 11 * packet_bytes_initial + 12'500);
  CHECK(most > 0);
}

TEST_CASE("the last line of a burst is repeated without one that follows") {
  // Each line is alone: the next one comes when this one is long acknowledged.
  Pair pair(3, {.delay = 50ms, .loss = 0.1});
  REQUIRE(pair.connect());
  Chat chat(pair);
  chat.say(200, 1s);
  REQUIRE(chat.listen(1s, {}, true));
  // Not the probe time-out of 125 ms and more, but some quarters of a round trip.
  CHECK(chat.percentile(99) <= 100);
  CHECK(chat.percentile(96) <= 75);
}

TEST_CASE("a burst of losses delays lines by its length, not by round trips") {
  Pair pair(1, {.delay = 50ms});
  REQUIRE(pair.connect());
  pair.drop = [&](Pair::Side from, const Path&, ByteView) {
    return from == Pair::left && pair.now.time_since_epoch() % 500ms < 35ms;
  };
  Chat chat(pair);
  chat.say(1'000);
  REQUIRE(chat.listen(1s, {}, true));
  CHECK(chat.percentile(50) == 50);
  CHECK(chat.percentile(100) <= 50 + 35 + 10);
}

TEST_CASE("a path that loses nothing gets copies only until that is known, loopback none") {
  for (const Duration delay : {Duration(50ms), Duration(100us)}) {
    Pair pair(1, {.delay = delay});
    REQUIRE(pair.connect());
    Chat chat(pair);
    chat.say(300);
    const uint64_t first = chat.stats().bytes_retransmitted;
    const uint64_t packets = chat.stats().packets_sent;
    CHECK((first > 0) == (delay == Duration(50ms)));
    CHECK(first <= 300 * line_bytes * (Repetition::copies_max - 1));
    // They have ridden: no packet went for their sake.
    CHECK(packets <= 310);
    chat.say(1'000);
    CHECK(chat.stats().bytes_retransmitted == first);
  }
}

TEST_CASE("copies keep to their budget however much is said") {
  Pair pair(1, {.delay = 50ms, .loss = 0.05});
  REQUIRE(pair.connect());
  const auto stream = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::interactive);
  REQUIRE(stream);
  // 2,000 lines a second: repeated five times each they would be 8 Mb/s.
  const Instant start = pair.now;
  for (int i = 0; i < 6'000; ++i) {
    pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, pattern(line_bytes, 1));
    pair.run(500us);
  }
  const auto stats = *pair[Pair::left].stats(*pair.id[Pair::left]);
  const double seconds = to_seconds(pair.now - start);
  // Beside what was found to be lost.
  const double repaired = static_cast<double>(stats.packets_lost) * 300;
  CHECK(static_cast<double>(stats.bytes_retransmitted) <= 125'000 * seconds + 12'000 + repaired);
  CHECK(stats.bytes_retransmitted > 100'000);
}

TEST_CASE("every line arrives once and in order, whatever is lost, doubled or late") {
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, {.delay = 20ms, .jitter = 5ms, .loss = 0.25, .duplicate = 0.1, .reorder = 0.2});
    REQUIRE(pair.connect());
    Chat chat(pair);
    Bulk bulk(pair);
    Bytes expected;
    Random random(seed_from(seed));
    for (size_t i = 0; i < 300; ++i) {
      const size_t size = random.below(700);
      const Bytes line = pattern(size, i);
      if (random.chance(0.5)) {
        pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::interactive,
                                      std::make_shared<const Bytes>(line));
      } else {
        const size_t taken =
            pair[Pair::left].write(pair.now, *pair.id[Pair::left], chat.stream, line);
        expected.insert(expected.end(), line.begin(), line.begin() + static_cast<ptrdiff_t>(taken));
      }
      if (random.chance(0.1))
        pair[Pair::left].set_priority(*pair.id[Pair::left], chat.stream,
                                      random.chance(0.5) ? Priority::interactive : Priority::bulk);
      pair.run(Duration(1ms) * random.below(12), [&] {
        bulk.fill();
        return false;
      });
      REQUIRE(pair[Pair::left].is_consistent());
    }
    pair[Pair::left].finish(pair.now, *pair.id[Pair::left], chat.stream);
    pair[Pair::left].reset_stream(pair.now, *pair.id[Pair::left], bulk.stream, 1);
    REQUIRE(pair.run(
        60s, [&] { return pair.streams[Pair::right][chat.stream].size() == expected.size(); }));
    pair.run(3s);
    CHECK(pair.streams[Pair::right][chat.stream] == expected);
    CHECK(pair[Pair::left].stats(*pair.id[Pair::left])->queued_bytes == 0);
    for (size_t i = 0; i < pair.messages[Pair::right].size(); ++i)
      for (size_t k = i + 1; k < pair.messages[Pair::right].size(); ++k)
        if (pair.messages[Pair::right][i].size() > 2)
          CHECK(pair.messages[Pair::right][i] != pair.messages[Pair::right][k]);
  }
}

TEST_CASE("a piece goes six times at most, not twice within a gap, and its ack ends it") {
  Repetition repetition;
  Instant now{1s};
  const SentFrame frame{SentFrame::Kind::data, false, 100, StreamId{4}, 300};
  repetition.on_sent(now, frame);
  CHECK(repetition.alone_at(25ms) == now + 25ms);
  int written = 0;
  const auto write = [&](const SentFrame&) { return ++written > 0; };
  repetition.repeat(now + 4ms, 5ms, write);
  CHECK(written == 0);
  for (int i = 0; i < 20; ++i) {
    now += 5ms;
    repetition.repeat(now, 5ms, write);
    repetition.repeat(now, 5ms, write);
  }
  CHECK(written == Repetition::copies_max - 1);
  CHECK(repetition.alone_at(25ms) == never);
  // Cut anew after a loss, it takes the place of what it was.
  repetition.on_sent(now, {SentFrame::Kind::data, false, 50, StreamId{4}, 350});
  CHECK(repetition.pieces().size() == 1);
  repetition.on_sent(now, {SentFrame::Kind::data, false, 50, StreamId{8}, 350});
  CHECK(repetition.pieces().size() == 2);
  repetition.forget_if([](const SentFrame& f) { return f.stream == StreamId{4}; });
  CHECK(repetition.pieces().size() == 1);
  for (uint64_t i = 0; i < 1'000; ++i)
    repetition.on_sent(now, {SentFrame::Kind::data, false, 10, StreamId{12}, i * 10});
  CHECK(repetition.pieces().size() == Repetition::pieces_max);
  CHECK(repetition.pieces().back().frame.offset == 9'990);
}

TEST_CASE("a loss is remembered for one to two thousand packets, one that was none is not") {
  RecentLoss loss;
  CHECK(loss.unknown());
  for (int i = 0; i < 300; ++i) loss.on_sent(0);
  CHECK(!loss.unknown());
  CHECK(!loss.seen());
  loss.on_sent(1);
  CHECK(loss.seen());
  loss.on_sent(0);  // it was only late
  CHECK(!loss.seen());
  loss.on_sent(1);
  int remembered = 0;
  while (loss.seen()) {
    loss.on_sent(1);
    ++remembered;
  }
  CHECK(remembered >= 1'024);
  CHECK(remembered <= 2'048);
  CHECK(!loss.unknown());
}
