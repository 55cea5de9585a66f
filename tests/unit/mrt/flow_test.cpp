// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <set>

#include "unit/mrt/forger.h"

using namespace mrt;
using namespace mrt::test;

namespace {

constexpr StreamId message_of_left(uint64_t index) { return make_stream_id(index, true, true); }

}  // namespace

TEST_CASE("a peer that never reads bounds the memory and stops the writer") {
  EndpointConfig config = pair_config();
  config.stream_window_bytes = 64 * 1024;
  config.receive_window_bytes = 100 * 1024;
  config.message_bytes_max = 16 * 1024;
  config.send_buffer_bytes = 200 * 1024;
  Pair pair(1, {}, config);
  pair.reads[Pair::right] = false;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  const Bytes text = pattern(1'000'000, 1);
  size_t written = 0;
  for (int i = 0; i < 100; ++i) {
    written += left.write(pair.now, id, first_stream, ByteView(text).subspan(written));
    pair.run(100ms);
  }
  // The peer's stream window and our own buffer, and not a byte more.
  CHECK(written == config.stream_window_bytes + config.send_buffer_bytes);
  CHECK(left.send_room(id) == 0);
  CHECK(left.stats(id)->queued_bytes == config.send_buffer_bytes);
  CHECK(!pair.closed(Pair::left));

  // A slow reader lets it go on, a little at a time; Writable says so.
  const size_t writable_before = pair.count<Writable>(Pair::left);
  Bytes got;
  Bytes chunk(5'000);
  for (int i = 0; i < 2'000 && got.size() < text.size(); ++i) {
    const size_t size =
        pair[Pair::right].read(pair.now, *pair.id[Pair::right], first_stream, chunk);
    got.insert(got.end(), chunk.begin(), chunk.begin() + static_cast<ptrdiff_t>(size));
    pair.run(10ms);
    written += left.write(pair.now, id, first_stream, ByteView(text).subspan(written));
  }
  CHECK(got == text);
  CHECK(pair.count<Writable>(Pair::left) > writable_before);
}

TEST_CASE("messages that are not taken hold back the sender until they are") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 300'000;
  config.send_buffer_bytes = 2 * 1024 * 1024;
  Pair pair(1, {}, config);
  REQUIRE(pair.connect());
  pair.polls_events[Pair::right] = false;
  Endpoint& left = pair[Pair::left];
  uint64_t sent = 0;
  for (int i = 0; i < 50; ++i) {
    while (left.send_message(pair.now, *pair.id[Pair::left], Priority::normal,
                             shared_pattern(50'000, sent)))
      ++sent;
    pair.run(100ms);
  }
  // 250,000 bytes are with the receiver, whose last bytes of window are for what is interactive;
  // the send buffer holds 2 MB more.
  CHECK(sent == 5 + 41);
  pair.polls_events[Pair::right] = true;
  REQUIRE(pair.run(10s, [&] { return pair.messages[Pair::right].size() == sent; }));
  CHECK(pair.find<Writable>(Pair::left));
}

TEST_CASE("a small interactive message overtakes a megabyte of bulk") {
  Pair pair;
  pair.weather.delay = 20ms;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  for (uint64_t i = 0; i < 10; ++i)
    REQUIRE(left.send_message(pair.now, id, Priority::bulk, shared_pattern(100'000, i)));
  pair.run(30ms);  // bulk is under way
  REQUIRE(left.send_message(pair.now, id, Priority::interactive, shared_pattern(100, 99)));
  const Instant sent = pair.now;
  REQUIRE(pair.run(10s, [&] {
    return std::any_of(pair.messages[Pair::right].begin(), pair.messages[Pair::right].end(),
                       [](const Bytes& m) { return m.size() == 100; });
  }));
  CHECK(pair.messages[Pair::right].size() < 5);
  CHECK(pair.now - sent < 100ms);
  REQUIRE(pair.run(10s, [&] { return pair.messages[Pair::right].size() == 11; }));
}

TEST_CASE("a message that has begun goes on while an urgent one waits for the window") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 4'096;
  config.message_bytes_max = 3'000;
  Pair pair(1, {}, config);
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  REQUIRE(left.send_message(pair.now, id, Priority::bulk, shared_pattern(3'000, 1)));
  Bytes one_packet(1'200);
  REQUIRE(left.poll_transmit(pair.now, one_packet));  // and is lost
  REQUIRE(left.send_message(pair.now, id, Priority::interactive, shared_pattern(3'000, 2)));
  CHECK(pair.run(10s, [&] { return pair.messages[Pair::right].size() == 2; }));
}

TEST_CASE("who is sent bulk from afar reads a sixteenth of a round trip later, not who sends it") {
  Pair pair;
  pair.weather.delay = 8ms;
  REQUIRE(pair.connect());
  const ConnectionId id = *pair.id[Pair::left];
  for (uint64_t i = 0; i < 20; ++i)
    REQUIRE(
        pair[Pair::left].send_message(pair.now, id, Priority::bulk, shared_pattern(100'000, i)));
  Duration longest{};
  int rests[] = {0, 0};
  pair.run(10s, [&] {
    for (const auto side : {Pair::left, Pair::right}) {
      const Duration patience = pair[side].take_patience();
      longest = std::max(longest, patience);
      if (patience > Duration{}) ++rests[side];
    }
    return false;
  });
  CHECK(longest == 1ms);
  // A window update is acknowledged too, but nothing else of what the receiver sends.
  CHECK(rests[Pair::left] * 4 < rests[Pair::right]);
  // Nothing follows: what comes then is read at once.
  REQUIRE(pair.messages[Pair::right].size() == 20);
  pair[Pair::right].take_patience();
  REQUIRE(pair[Pair::left].send_message(pair.now, id, Priority::bulk, shared_pattern(100, 99)));
  REQUIRE(pair.run(1s, [&] { return pair.messages[Pair::right].size() == 21; }));
  CHECK(pair[Pair::right].take_patience() == Duration{});
}

TEST_CASE("streams of one priority take turns; messages of one priority come one after the other") {
  Pair pair;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  const auto one = left.open_stream(id, Priority::normal);
  const auto two = left.open_stream(id, Priority::normal);
  REQUIRE((one && two));
  left.write(pair.now, id, *one, pattern(500'000, 1));
  left.write(pair.now, id, *two, pattern(500'000, 2));
  REQUIRE(pair.run(10s, [&] { return pair.streams[Pair::right][*one].size() > 100'000; }));
  const auto a = static_cast<double>(pair.streams[Pair::right][*one].size());
  const auto b = static_cast<double>(pair.streams[Pair::right][*two].size());
  CHECK(b > 0.8 * a);

  Pair other;
  REQUIRE(other.connect());
  for (uint64_t i = 0; i < 10; ++i)
    other[Pair::left].send_message(other.now, *other.id[Pair::left], Priority::normal,
                                   shared_pattern(30'000, i));
  REQUIRE(other.run(10s, [&] { return other.messages[Pair::right].size() == 10; }));
  for (uint64_t i = 0; i < 10; ++i) CHECK(other.messages[Pair::right][i] == pattern(30'000, i));
}

TEST_CASE("a message of message_bytes_max passes, one byte more is refused, none at all passes") {
  Pair pair;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  const size_t most = EndpointConfig{}.message_bytes_max;
  CHECK(!left.send_message(pair.now, id, Priority::normal, shared_pattern(most + 1, 1)));
  CHECK(!left.send_message(pair.now, id, Priority::normal, nullptr));
  CHECK(left.send_message(pair.now, id, Priority::normal, shared_pattern(most, 2)));
  CHECK(left.send_message(pair.now, id, Priority::normal, shared_pattern(0, 3)));
  REQUIRE(pair.run(10s, [&] { return pair.messages[Pair::right].size() == 2; }));
  CHECK(pair.messages[Pair::right][0] == pattern(most, 2));
  CHECK(pair.messages[Pair::right][1].empty());
}

TEST_CASE("open messages are limited by the lesser side, and Writable comes when there is room") {
  EndpointConfig few = pair_config();
  few.messages_open_max = 4;
  Pair pair(1, {}, pair_config(), few);
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  for (uint64_t i = 0; i < 4; ++i)
    CHECK(left.send_message(pair.now, id, Priority::normal, shared_pattern(10, i)));
  CHECK(!left.send_message(pair.now, id, Priority::normal, shared_pattern(10, 4)));
  REQUIRE(pair.run(1s, [&] { return pair.find<Writable>(Pair::left) != nullptr; }));
  CHECK(left.send_message(pair.now, id, Priority::normal, shared_pattern(10, 4)));
  CHECK(pair.run(1s, [&] { return pair.messages[Pair::right].size() == 5; }));
}

TEST_CASE("ordered streams are limited, and a stream that is done makes room for another") {
  EndpointConfig few = pair_config();
  few.streams_open_max = 3;
  Pair pair(1, {.loss = 0.2}, few);
  REQUIRE(pair.connect());
  std::set<StreamId> seen;
  for (uint64_t round = 0; round < 20; ++round) {
    CAPTURE(round);
    Endpoint& left = pair[Pair::left];
    const ConnectionId id = *pair.id[Pair::left];
    std::vector<StreamId> open;
    REQUIRE(pair.run(30s, [&] {
      while (const auto stream = left.open_stream(id, Priority::normal)) open.push_back(*stream);
      return open.size() == 3;
    }));
    for (const StreamId stream : open) {
      CHECK(seen.insert(stream).second);
      left.write(pair.now, id, stream, pattern(3'000, stream.value));
      left.finish(pair.now, id, stream);
    }
    REQUIRE(pair.run(60s, [&] { return pair.count<StreamEnded>(Pair::right) == seen.size(); }));
    for (const StreamId stream : open) {
      CHECK(pair.streams[Pair::right][stream] == pattern(3'000, stream.value));
      pair[Pair::right].finish(pair.now, *pair.id[Pair::right], stream);
    }
    REQUIRE(pair.run(60s, [&] { return pair.count<StreamEnded>(Pair::left) == seen.size(); }));
    CHECK(left.is_consistent());
  }
}

TEST_CASE("a half-closed stream still carries the other way") {
  Pair pair;
  REQUIRE(pair.connect());
  const auto stream = pair[Pair::right].open_stream(*pair.id[Pair::right], Priority::normal);
  REQUIRE(stream);
  CHECK(!opened_by_initiator(*stream));
  pair[Pair::right].write(pair.now, *pair.id[Pair::right], *stream, pattern(10, 1));
  pair[Pair::right].finish(pair.now, *pair.id[Pair::right], *stream);
  CHECK(pair[Pair::right].write(pair.now, *pair.id[Pair::right], *stream, pattern(10, 1)) == 0);
  REQUIRE(pair.run(1s, [&] { return pair.find<StreamEnded>(Pair::left) != nullptr; }));
  CHECK(pair[Pair::left].write(pair.now, *pair.id[Pair::left], *stream, pattern(99'999, 2)) ==
        99'999);
  pair[Pair::left].finish(pair.now, *pair.id[Pair::left], *stream);
  REQUIRE(pair.run(5s, [&] { return pair.find<StreamEnded>(Pair::right) != nullptr; }));
  CHECK(pair.streams[Pair::right][*stream] == pattern(99'999, 2));
  CHECK(pair.streams[Pair::left][*stream] == pattern(10, 1));
}

TEST_CASE("both sides may write to the first stream at once, and an empty stream ends") {
  Pair pair;
  REQUIRE(pair.connect());
  for (const Pair::Side side : {Pair::left, Pair::right}) {
    CHECK(pair[side].write(pair.now, *pair.id[side], first_stream, pattern(500, side)) == 500);
    pair[side].finish(pair.now, *pair.id[side], first_stream);
  }
  REQUIRE(pair.run(1s, [&] {
    return pair.find<StreamEnded>(Pair::left) && pair.find<StreamEnded>(Pair::right);
  }));
  CHECK(pair.streams[Pair::left][first_stream] == pattern(500, Pair::right));
  CHECK(pair.streams[Pair::right][first_stream] == pattern(500, Pair::left));

  const auto empty = pair[Pair::left].open_stream(*pair.id[Pair::left], Priority::normal);
  REQUIRE(empty);
  CHECK(*empty != first_stream);
  pair[Pair::left].finish(pair.now, *pair.id[Pair::left], *empty);
  CHECK(pair.run(1s, [&] { return pair.count<StreamEnded>(Pair::right) == 2; }));
}

TEST_CASE("a reset stream ends with its code and gives its window back") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 128 * 1024;
  config.stream_window_bytes = 128 * 1024;
  Pair pair(1, {.loss = 0.1}, config);
  pair.reads[Pair::right] = false;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  for (uint64_t round = 0; round < 5; ++round) {
    const auto stream = left.open_stream(id, Priority::normal);
    REQUIRE(stream);
    left.write(pair.now, id, *stream, pattern(120'000, round));
    pair.run(3s);
    left.reset_stream(pair.now, id, *stream, 77);
    REQUIRE(pair.run(10s, [&] { return pair.count<StreamEnded>(Pair::right) == round + 1; }));
    const auto& ended = std::get<StreamEnded>(pair.events[Pair::right].back());
    CHECK(ended.reset_code == 77);
    CHECK(left.stats(id)->queued_bytes == 0);
    pair[Pair::right].finish(pair.now, *pair.id[Pair::right], *stream);
  }
}

TEST_CASE("datagrams pass once and unordered, and those too large for a packet are refused") {
  Pair pair;
  REQUIRE(pair.connect());
  Endpoint& left = pair[Pair::left];
  const ConnectionId id = *pair.id[Pair::left];
  CHECK(left.send_datagram(pair.now, id, pattern(1'000, 1)));
  CHECK(left.send_datagram(pair.now, id, {}));
  CHECK(!left.send_datagram(pair.now, id, pattern(1'200, 1)));
  REQUIRE(pair.run(1s, [&] { return pair.datagrams[Pair::right].size() == 2; }));
  CHECK(pair.datagrams[Pair::right][0] == pattern(1'000, 1));
  // The queue is bounded.
  size_t taken = 0;
  while (taken < 1'000 && left.send_datagram(pair.now, id, pattern(100, 1))) ++taken;
  CHECK(taken == 64);
  // What is not polled is bounded too.
  pair.polls_events[Pair::right] = false;
  for (int i = 0; i < 1'000; ++i) {
    left.send_datagram(pair.now, id, pattern(100, 1));
    pair.run(10ms);
  }
  pair.polls_events[Pair::right] = true;
  pair.datagrams[Pair::right].clear();
  pair.run(1s);
  CHECK(pair.datagrams[Pair::right].size() == 256);
}

TEST_CASE("before Connected and after Closed nothing can be sent") {
  Pair pair;
  const auto id = pair[Pair::left].connect(pair.now, pair.path_from(Pair::left));
  REQUIRE(id);
  CHECK(!pair[Pair::left].send_message(pair.now, *id, Priority::normal, shared_pattern(1, 1)));
  CHECK(pair[Pair::left].write(pair.now, *id, first_stream, pattern(1, 1)) == 0);
  CHECK(pair[Pair::left].send_room(*id) == 0);
  CHECK(pair[Pair::left].write(pair.now, ConnectionId{77}, first_stream, pattern(1, 1)) == 0);
}

TEST_CASE("a peer that overruns a window is closed with flow_control") {
  EndpointConfig config = pair_config();
  config.receive_window_bytes = 20'000;
  config.stream_window_bytes = 10'000;
  config.message_bytes_max = 5'000;
  struct Case {
    StreamId stream;
    uint64_t offset;
    CloseCode code;
  };
  for (const Case& c : {Case{first_stream, 9'990, CloseCode::none},
                        Case{first_stream, 9'991, CloseCode::flow_control},
                        Case{message_of_left(0), 4'990, CloseCode::none},
                        Case{message_of_left(0), 4'991, CloseCode::flow_control},
                        // Offsets near the end of numbers.
                        Case{first_stream, varint_max - 10, CloseCode::flow_control},
                        Case{message_of_left(0), varint_max - 10, CloseCode::flow_control},
                        Case{first_stream, varint_max - 9, CloseCode::frame_encoding}}) {
    CAPTURE(c.stream.value);
    CAPTURE(c.offset);
    Pair pair(1, {}, config);
    Forger forger(pair, Pair::left);
    REQUIRE(pair.connect());
    forger.silence();
    forger.send_data(c.stream, c.offset, pattern(10, 1));
    CHECK((pair.closed(Pair::right) != nullptr) == (c.code != CloseCode::none));
    if (c.code != CloseCode::none && pair.closed(Pair::right))
      CHECK(pair.closed(Pair::right)->code == c.code);
  }
  // No stream exceeds its window, but all together that of the connection.
  Pair pair(1, {}, config);
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  forger.silence();
  forger.send_data(make_stream_id(0, false, true), 9'990, pattern(10, 1));
  forger.send_data(make_stream_id(1, false, true), 9'980, pattern(10, 1));
  CHECK(!pair.closed(Pair::right));
  forger.send_data(message_of_left(0), 10, pattern(1, 1));
  REQUIRE(pair.closed(Pair::right));
  CHECK(pair.closed(Pair::right)->code == CloseCode::flow_control);
}

TEST_CASE("frames that a stream's kind or state does not allow close with their code") {
  using Frames = std::function<void(Writer&)>;
  auto data = [](StreamId stream, uint64_t offset, size_t size, bool fin) -> Frames {
    return [=](Writer& out) {
      write_data_head(out, {stream, offset, size, fin, true});
      out.bytes(pattern(size, 1));
    };
  };
  auto frame = [](auto f) -> Frames { return [f](Writer& out) { write_frame(out, f); }; };
  const StreamId theirs = make_stream_id(0, false, true);
  const StreamId ours = make_stream_id(1, false, false);
  const StreamId our_message = make_stream_id(0, true, false);
  struct Case {
    const char* name;
    std::vector<Frames> packets;
    CloseCode code;
  };
  const std::vector<Case> cases = {
      {"data on a stream that we have not opened",
       {data(ours, 0, 5, false)},
       CloseCode::stream_state},
      {"data on a message of ours", {data(our_message, 0, 5, false)}, CloseCode::stream_state},
      {"reset of a message of ours",
       {frame(ResetStreamFrame{our_message, 1, 0})},
       CloseCode::stream_state},
      {"a window for a message",
       {frame(MaxStreamDataFrame{our_message, 9})},
       CloseCode::stream_state},
      {"stop of a message never sent",
       {frame(StopSendingFrame{our_message, 9})},
       CloseCode::stream_state},
      {"a stream above the limit",
       {data(make_stream_id(64, false, true), 0, 1, false)},
       CloseCode::stream_limit},
      {"a message above the limit",
       {data(message_of_left(256), 0, 1, false)},
       CloseCode::stream_limit},
      {"the last message below the limit",
       {data(message_of_left(255), 0, 1, false)},
       CloseCode::none},
      {"data behind the end",
       {data(theirs, 0, 5, true), data(theirs, 5, 1, false)},
       CloseCode::none},
      {"an end that moves",
       {data(theirs, 5, 5, true), data(theirs, 6, 5, true)},
       CloseCode::final_size},
      {"bytes beyond the end",
       {data(theirs, 5, 5, true), data(theirs, 11, 1, false)},
       CloseCode::final_size},
      {"an end below what came",
       {data(theirs, 5, 5, false), data(theirs, 2, 2, true)},
       CloseCode::final_size},
      {"a reset below what came",
       {data(theirs, 5, 5, false), frame(ResetStreamFrame{theirs, 1, 4})},
       CloseCode::final_size},
      {"an unknown frame", {[](Writer& out) { out.u8(0x55); }}, CloseCode::frame_encoding},
      {"no frame at all but padding", {[](Writer& out) { out.u8(0); }}, CloseCode::none},
      {"a cut frame",
       {[](Writer& out) {
         out.zeros(20);
         out.u8(0x07);
         out.u8(1);
       }},
       CloseCode::frame_encoding},
      {"AUTH without a cipher", {frame(AuthFrame{as_bytes("who")})}, CloseCode::none},
  };
  for (const Case& c : cases) {
    CAPTURE(c.name);
    Pair pair;
    Forger forger(pair, Pair::left);
    REQUIRE(pair.connect());
    forger.silence();
    for (const Frames& packet : c.packets) forger.send(packet);
    CHECK((pair.closed(Pair::right) != nullptr) == (c.code != CloseCode::none));
    if (pair.closed(Pair::right)) {
      CHECK(pair.closed(Pair::right)->code == c.code);
      CHECK(!pair.closed(Pair::right)->by_peer);
    }
    CHECK(pair[Pair::right].is_consistent());
  }
}

TEST_CASE("a peer that stops a stream gets it reset, and the writer goes on elsewhere") {
  Pair pair;
  Forger forger(pair, Pair::left);
  REQUIRE(pair.connect());
  pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, pattern(1'500'000, 1));
  pair.run(8ms);
  forger.silence();
  bool reset = false;
  forger.on_heard = [&](uint64_t, ByteView frames) {
    Reader in(frames);
    while (in.remaining() > 0) {
      const auto frame = read_frame(in);
      REQUIRE(frame);
      if (const auto* r = std::get_if<ResetStreamFrame>(&*frame)) reset = r->code == 5;
    }
  };
  forger.send([](Writer& out) { write_frame(out, StopSendingFrame{first_stream, 5}); });
  pair.run(1s);  // the window is full: it goes with the next probe
  CHECK(reset);
  CHECK(pair[Pair::right].stats(*pair.id[Pair::right])->queued_bytes == 0);
  CHECK(pair[Pair::right].write(pair.now, *pair.id[Pair::right], first_stream, pattern(1, 1)) == 0);
}
