// SPDX-License-Identifier: MIT
#include "node/tells.h"

#include <doctest/doctest.h>

#include "node/held_publishes.h"
#include "node/left_nodes.h"

using namespace node;

static NodeId node_id(uint64_t number) {
  NodeId id;
  id.bytes[0] = static_cast<uint8_t>(number >> 8);
  id.bytes[1] = static_cast<uint8_t>(number);
  return id;
}

TEST_CASE("an answer ends the message that it is for, once, and from nobody else") {
  Tells tells;
  const auto first = tells.begin({11}, node_id(1));
  const auto second = tells.begin({12}, node_id(2));
  REQUIRE(first);
  REQUIRE(second);
  CHECK(*second > *first);
  CHECK_FALSE(tells.end(*first, node_id(2)));
  CHECK(tells.end(*first, node_id(1)) == CommandId{11});
  CHECK_FALSE(tells.end(*first, node_id(1)));
  CHECK(tells.give_up() == std::vector{CommandId{12}});
  CHECK(tells.give_up().empty());
}

TEST_CASE("no more than tells_max wait for an answer") {
  Tells tells;
  for (size_t i = 0; i < tells_max; ++i) CHECK(tells.begin({i}, node_id(1)));
  CHECK_FALSE(tells.begin({1}, node_id(1)));
  CHECK(tells.end(1, node_id(1)));
  CHECK(tells.begin({1}, node_id(1)) == tells_max + 1);
}

TEST_CASE("of each life only rising numbers are heard, also of one that comes back") {
  Tells tells;
  tells.note_heard(node_id(1), {7}, 5);
  CHECK_FALSE(tells.is_new(node_id(1), {7}, 5));
  CHECK_FALSE(tells.is_new(node_id(1), {7}, 4));
  CHECK(tells.is_new(node_id(1), {7}, 6));
  CHECK(tells.is_new(node_id(2), {7}, 1));
  tells.note_heard(node_id(1), {8}, 1);
  CHECK_FALSE(tells.is_new(node_id(1), {7}, 5));  // its old life is not forgotten for the new one
}

TEST_CASE("the life that was silent longest is forgotten first") {
  Tells tells;
  for (uint64_t i = 0; i < tell_lives_max; ++i) tells.note_heard(node_id(i), {1}, 9);
  tells.note_heard(node_id(0), {1}, 10);
  tells.note_heard(node_id(60'000), {1}, 1);
  CHECK_FALSE(tells.is_new(node_id(0), {1}, 10));
  CHECK(tells.is_new(node_id(1), {1}, 9));
  CHECK_FALSE(tells.is_new(node_id(2), {1}, 9));
}

TEST_CASE("who was left is not followed for ten minutes, and the list is bounded") {
  LeftNodes left;
  const mrt::Instant start{std::chrono::seconds(1)};
  left.add(start, node_id(1));
  CHECK(left.contains(start, node_id(1)));
  CHECK_FALSE(left.contains(start, node_id(2)));
  CHECK_FALSE(left.contains(start + left_time, node_id(1)));
  for (uint64_t i = 2; i <= left_nodes_max; ++i) left.add(start, node_id(i));
  left.add(start, node_id(1));  // left again: it is the last one now
  left.add(start, node_id(1'000));
  CHECK(left.contains(start, node_id(1)));
  CHECK_FALSE(left.contains(start, node_id(2)));
  CHECK(left.contains(start, node_id(3)));
}

TEST_CASE("held broadcasts are full at what one sender may keep, in number or in bytes") {
  HeldPublishes held;
  for (size_t i = 0; i < pending_messages_max; ++i) {
    CHECK_FALSE(held.is_full());
    held.push(node_id(1), {{1}, i + 1, BroadcastKind::chat, {1}});
  }
  CHECK(held.is_full());
  CHECK(held.pop().second.number == 1);
  CHECK_FALSE(held.is_full());
  held.clear();
  CHECK(held.empty());
  const Publish large{{1}, 1, BroadcastKind::chat, mrt::Bytes(text_bytes_max)};
  for (size_t i = 0; i <= pending_bytes_max / kept_size(large.body); ++i) {
    CHECK_FALSE(held.is_full());
    held.push(node_id(1), large);
  }
  CHECK(held.is_full());
}
