// SPDX-License-Identifier: MIT
#include "unit/mrt/pair.h"

#include <doctest/doctest.h>

using namespace mrt;
using namespace mrt::test;

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
  // One endpoint that calls forty others, each of which answers from an address of its own.
  EndpointConfig config = pair_config();
  Endpoint caller(config, seed_from(1));
  config.identity[0] = 2;
  Endpoint listener(config, seed_from(2));
  Instant now{1s};
  Bytes buffer(batch_bytes_max);
  size_t received = 0;
  const auto carry = [&](Endpoint& from, Endpoint& to) {
    while (const auto batch = from.poll_transmit(now, buffer))
      to.on_datagrams(now, {batch->path.remote, batch->path.local}, Ecn::not_ect,
                      batch->segment_size, MutableBytes(buffer).first(batch->size));
    while (const auto event = to.poll_event())
      received += std::holds_alternative<MessageReceived>(*event) ? 1 : 0;
    CHECK(from.is_consistent());
    CHECK(to.is_consistent());
  };
  std::vector<ConnectionId> ids;
  for (uint8_t i = 0; i < 40; ++i)
    ids.push_back(*caller.connect(now, {Address::v4(10, 1, 0, i, 1), Address::v4(10, 2, 0, i, 2)}));
  for (int round = 0; round < 40; ++round) {
    carry(caller, listener);
    carry(listener, caller);
    now += 10ms;
    caller.on_timeout(now);
    listener.on_timeout(now);
  }
  REQUIRE(listener.connections().size() == ids.size());
  CHECK(caller.connections() == ids);
  for (const ConnectionId id : ids)
    REQUIRE(caller.send_message(now, id, Priority::normal, shared_pattern(100, id.value)));
  // Every third is closed while it waits for its turn, and while its deadline stands.
  for (size_t i = 0; i < ids.size(); i += 3) caller.close(now, ids[i], CloseCode::none, "");
  for (int round = 0; round < 300; ++round) {
    carry(caller, listener);
    carry(listener, caller);
    now += 10ms;
    caller.on_timeout(now);
    listener.on_timeout(now);
  }
  CHECK(received == ids.size() - (ids.size() + 2) / 3);
  CHECK(caller.connections().size() == received);
  CHECK(listener.connections().size() == received);
  CHECK(!caller.stats(ids[0]));
  CHECK(caller.stats(ids[1]));
}
