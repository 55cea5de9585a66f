// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

TEST_CASE("two endpoints connect, exchange messages and a stream, and close") {
  Pair pair;
  REQUIRE(pair.connect());
  CHECK(pair.find<Connected>(Pair::left)->initiator);
  CHECK(!pair.find<Connected>(Pair::right)->initiator);
  for (uint64_t i = 0; i < 50; ++i)
    CHECK(pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                                        shared_pattern(i * 100, i)));
  const auto stream = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::bulk);
  REQUIRE(stream);
  const Bytes text = pattern(1'000'000, 7);
  CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, text) == text.size());
  pair[Pair::left].finish(pair.now, *pair.id[Pair::left], *stream);
  REQUIRE(pair.run(10s, [&] { return pair.find<StreamEnded>(Pair::right) != nullptr; }));
  CHECK(pair.streams[Pair::right][*stream] == text);
  CHECK(pair.messages[Pair::right].size() == 50);
  pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::none, "bye");
  pair.run(1s);
  REQUIRE(pair.closed(Pair::left));
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->by_peer);
  CHECK(pair.closed(Pair::right)->reason == "bye");
  CHECK(pair[Pair::left].is_consistent());
  CHECK(pair[Pair::left].connections().empty());
}

TEST_CASE("30 % loss, duplicates, reordering and corruption both ways lose nothing") {
  const Weather storm{
      .delay = 10ms, .jitter = 5ms, .loss = 0.3, .duplicate = 0.1, .reorder = 0.1, .corrupt = 0.05};
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Pair pair(seed, storm);
    REQUIRE(pair.connect());
    const Bytes text = pattern(100'000, seed);
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      REQUIRE(pair[side].write(pair.now, *pair.id[side], first_stream, text) == text.size());
      pair[side].finish(pair.now, *pair.id[side], first_stream);
      for (uint64_t i = 0; i < 40; ++i)
        REQUIRE(pair[side].send_message(pair.now, *pair.id[side], Priority::normal,
                                        shared_pattern(i * 97, i)));
    }
    const bool done = pair.run(120s, [&] {
      return pair.find<StreamEnded>(Pair::left) && pair.find<StreamEnded>(Pair::right) &&
             pair.messages[Pair::left].size() == 40 && pair.messages[Pair::right].size() == 40;
    });
    REQUIRE(done);
    for (const Pair::Side side : {Pair::left, Pair::right}) {
      CHECK(pair.streams[side][first_stream] == text);
      auto got = pair.messages[side];
      std::sort(got.begin(), got.end(), [](auto& a, auto& b) { return a.size() < b.size(); });
      for (uint64_t i = 0; i < 40; ++i) CHECK(got[i] == pattern(i * 97, i));
      CHECK(pair[side].is_consistent());
    }
    pair[Pair::left].close(pair.now, *pair.id[Pair::left], CloseCode::application, "done");
    CHECK(pair.run(60s, [&] { return pair.closed(Pair::left) && pair.closed(Pair::right); }));
  }
}
