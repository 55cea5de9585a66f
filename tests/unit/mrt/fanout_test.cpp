// SPDX-License-Identifier: MIT
//
// One endpoint and many peers: what is shared by what goes to all of them, and who sends when.
#include <doctest/doctest.h>

#include <algorithm>

#include "unit/mrt/pair.h"

using namespace mrt;
using namespace mrt::test;

namespace {

// One endpoint that calls many others, each of which answers from an address of its own.
struct Crowd {
  explicit Crowd(uint8_t count)
      : caller(pair_config(), seed_from(1)), listener(listener_config(), seed_from(2)) {
    for (uint8_t i = 0; i < count; ++i)
      ids.push_back(*caller.connect(now, {Address::v4(10, 1, 0, i, 1), address(i)}));
    run(40);
    REQUIRE(listener.connections().size() == ids.size());
    REQUIRE(caller.connections() == ids);
  }

  static EndpointConfig listener_config() {
    EndpointConfig config = pair_config();
    config.identity[0] = 2;
    return config;
  }
  static Address address(uint8_t i) { return Address::v4(10, 2, 0, i, 2); }
  size_t index_of(const Address& remote) const { return remote.ip[15]; }

  void carry(Endpoint& from, Endpoint& to) {
    while (const auto batch = from.poll_transmit(now, buffer)) deliver(to, *batch);
    CHECK(from.is_consistent());
  }
  void deliver(Endpoint& to, const Transmit& batch) {
    to.on_datagrams(now, {batch.path.remote, batch.path.local}, Ecn::not_ect, batch.segment_size,
                    MutableBytes(buffer).first(batch.size));
    while (const auto event = to.poll_event())
      received += std::holds_alternative<MessageReceived>(*event) ? 1 : 0;
    CHECK(to.is_consistent());
  }
  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      carry(caller, listener);
      carry(listener, caller);
      now += 10ms;
      caller.on_timeout(now);
      listener.on_timeout(now);
    }
  }
  // As much as is taken, of one priority.
  void fill(ConnectionId id, Priority priority) {
    const auto stream = caller.open_stream(id, priority);
    REQUIRE(stream);
    CHECK(caller.write(now, id, *stream, pattern(500'000, id.value)) == 500'000);
  }
  bool say(ConnectionId id) {
    return caller.send_message(now, id, Priority::interactive, shared_pattern(100, id.value));
  }

  Instant now{1s};
  Bytes buffer = Bytes(batch_bytes_max);
  Endpoint caller;
  Endpoint listener;
  std::vector<ConnectionId> ids;
  size_t received = 0;  // messages
};

}  // namespace

TEST_CASE("messages that are queued together go in one datagram") {
  Pair pair;
  REQUIRE(pair.connect());
  pair.run(1s);
  Endpoint& left = pair[Pair::left];
  const size_t datagrams_before = pair.datagrams_sent[Pair::left];
  for (uint64_t i = 0; i < 10; ++i)
    REQUIRE(left.send_message(pair.now, *pair.id[Pair::left], Priority::interactive,
                              shared_pattern(100, i)));
  pair.pump_both();
  CHECK(pair.datagrams_sent[Pair::left] == datagrams_before + 1);
  REQUIRE(pair.run(1s, [&] { return pair.messages[Pair::right].size() == 10; }));
  for (uint64_t i = 0; i < 10; ++i) CHECK(pair.messages[Pair::right][i] == pattern(100, i));
}

TEST_CASE("a message is shared by all who send it, and let go when the last peer has it") {
  const SharedBytes message = shared_pattern(100, 1);
  std::array<Pair, 3> pairs{Pair(1), Pair(2), Pair(3)};
  for (Pair& pair : pairs) {
    REQUIRE(pair.connect());
    REQUIRE(
        pair[Pair::left].send_message(pair.now, *pair.id[Pair::left], Priority::normal, message));
  }
  CHECK(message.use_count() == 1 + 3);
  for (size_t i = 0; i < pairs.size(); ++i) {
    CHECK(pairs[i].run(1s, [&] { return message.use_count() == static_cast<long>(3 - i); }));
    CHECK(pairs[i].messages[Pair::right].size() == 1);
  }
}

TEST_CASE("who closes leaves the queue of turns, and the others have theirs") {
  Crowd crowd(40);
  auto& [now, buffer, caller, listener, ids, received] = crowd;
  for (const ConnectionId id : ids)
    REQUIRE(caller.send_message(now, id, Priority::normal, shared_pattern(100, id.value)));
  // Some have lines to say as well, and wait elsewhere.
  for (size_t i = 0; i < ids.size(); i += 2) REQUIRE(crowd.say(ids[i]));
  // Every third is closed while it waits for its turn, and while its deadline stands.
  for (size_t i = 0; i < ids.size(); i += 3) caller.close(now, ids[i], CloseCode::none, "");
  CHECK(caller.is_consistent());
  crowd.run(300);
  const size_t open = ids.size() - (ids.size() + 2) / 3;
  CHECK(received == open + open / 2);
  CHECK(caller.connections().size() == open);
  CHECK(listener.connections().size() == open);
  CHECK(!caller.stats(ids[0]));
  CHECK(caller.stats(ids[1]));
}

TEST_CASE(
    "a line goes before the bulk of all other connections, but for the batch that is under way") {
  Crowd crowd(20);
  for (const ConnectionId id : crowd.ids) crowd.fill(id, Priority::bulk);
  for (int i = 0; i < 3; ++i)
    REQUIRE(crowd.caller.poll_transmit(crowd.now, crowd.buffer)->size > 10'000);
  REQUIRE(crowd.say(crowd.ids[17]));
  const auto line = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
  REQUIRE(line);
  CHECK(crowd.index_of(line->path.remote) == 17);
  CHECK(line->size < 200);
  crowd.deliver(crowd.listener, *line);
  CHECK(crowd.received == 1);
  // One to all: none of them waits for what the others have besides.
  for (const ConnectionId id : crowd.ids) REQUIRE(crowd.say(id));
  std::vector<size_t> heard;
  for (size_t i = 0; i < crowd.ids.size(); ++i) {
    const auto batch = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
    REQUIRE(batch);
    CHECK(batch->size < 200);
    heard.push_back(crowd.index_of(batch->path.remote));
    crowd.deliver(crowd.listener, *batch);
  }
  std::sort(heard.begin(), heard.end());
  CHECK(std::adjacent_find(heard.begin(), heard.end()) == heard.end());
  CHECK(crowd.received == 1 + crowd.ids.size());
  // And then bulk goes on where it was.
  const auto next = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
  REQUIRE(next);
  CHECK(next->size > 10'000);
  CHECK(crowd.index_of(next->path.remote) == 3);
  CHECK(crowd.caller.is_consistent());
}

TEST_CASE("a datagram waits for nobody's bulk either") {
  Crowd crowd(20);
  for (const ConnectionId id : crowd.ids) crowd.fill(id, Priority::bulk);
  REQUIRE(crowd.caller.poll_transmit(crowd.now, crowd.buffer)->size > 10'000);
  REQUIRE(crowd.caller.send_datagram(crowd.now, crowd.ids[17], pattern(50, 1)));
  const auto batch = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
  REQUIRE(batch);
  CHECK(crowd.index_of(batch->path.remote) == 17);
  CHECK(batch->size < 200);
}

TEST_CASE("who says a line now and then keeps its place among those that send bulk") {
  Crowd crowd(20);
  for (const ConnectionId id : crowd.ids) crowd.fill(id, Priority::bulk);
  std::vector<size_t> bulk;
  while (bulk.size() < crowd.ids.size()) {
    REQUIRE(crowd.say(crowd.ids[15]));
    for (int i = 0; i < 2; ++i) {
      const auto batch = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
      REQUIRE(batch);
      const size_t index = crowd.index_of(batch->path.remote);
      if (batch->size > 10'000)
        bulk.push_back(index);
      else
        CHECK(index == 15);
    }
  }
  for (size_t i = 0; i < bulk.size(); ++i) CHECK(bulk[i] == i);
}

TEST_CASE("who has no end of lines leaves every other batch to those who have none") {
  Crowd crowd(40);
  for (size_t i = 0; i < crowd.ids.size(); ++i)
    crowd.fill(crowd.ids[i], i < 20 ? Priority::bulk : Priority::interactive);
  size_t ahead = 0;  // bytes of lines since the last bulk
  size_t most = 0;
  size_t bulk = 0;
  while (bulk < 4) {
    const auto batch = crowd.caller.poll_transmit(crowd.now, crowd.buffer);
    REQUIRE(batch);
    const bool is_bulk = crowd.index_of(batch->path.remote) < 20;
    ahead = is_bulk ? 0 : ahead + batch->size;
    most = std::max(most, ahead);
    bulk += is_bulk ? 1 : 0;
  }
  CHECK(most >= batch_bytes_max);
  CHECK(most <= 2 * batch_bytes_max);
}

TEST_CASE("a line that may not go yet keeps nobody busy, and goes with the next acknowledgement") {
  // The caller's window and the budget of what is urgent are used up by what is interactive.
  Crowd crowd(3);
  for (const ConnectionId id : crowd.ids) crowd.fill(id, Priority::interactive);
  int batches = 0;
  while (crowd.caller.poll_transmit(crowd.now, crowd.buffer)) REQUIRE(++batches < 1'000);
  CHECK(crowd.caller.next_timeout() > crowd.now);
  for (const ConnectionId id : crowd.ids) REQUIRE(crowd.say(id));
  CHECK(!crowd.caller.poll_transmit(crowd.now, crowd.buffer));
  CHECK(crowd.caller.next_timeout() > crowd.now);
  CHECK(crowd.caller.is_consistent());
}
