// SPDX-License-Identifier: MIT
//
// The order where a node comes into a line that it did not see from its beginning: what it keeps
// for others and does not tell, what it says of another line when it leads, and what is told as
// missed (OVERLAY.md 3.3, 3.6).
#include <doctest/doctest.h>

#include "node/order.h"
#include "unit/node/senders.h"

using namespace node;
using namespace node::test;

namespace {

Publish word(uint64_t number) { return {{1}, number, BroadcastKind::chat, {'x'}, {}}; }

std::vector<uint64_t> delivered(Order& order) {
  std::vector<uint64_t> seqs;
  while (const auto delivery = order.poll_delivery())
    seqs.push_back(delivery->message.place.seq.value);
  return seqs;
}

/// It came when 3 had said 1 to 4, and is told the last of them.
Order newcomer() {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  order.history_begins({3});
  for (uint64_t i = 1; i <= 4; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({4});
  CHECK(delivered(order) == std::vector<uint64_t>{4});
  order.history_ends();
  return order;
}

}  // namespace

TEST_CASE("what a newcomer keeps for others it hands on to a side that lacks it") {
  Order order = newcomer();
  order.enter_view({2}, node_id(4), {1}, {0}, false);
  CHECK(carried_numbers(order) == std::vector<uint64_t>{1, 2, 3, 4});
}

TEST_CASE("what a newcomer only kept is news to its user where it comes again") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  order.history_begins({2});
  for (uint64_t i = 1; i <= 2; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({2});
  CHECK(delivered(order).empty());
  order.history_ends();
  for (uint64_t i = 3; i <= 4; ++i) order.take(ordered(1, i, 3, i - 2));
  order.deliver_up_to({4});
  CHECK(delivered(order) == std::vector<uint64_t>{3, 4});
}

TEST_CASE("an offer keeps out no chat that its sender said before the newcomer came") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  order.history_begins({1});
  order.take(ordered(1, 1, 3, 1));
  order.deliver_up_to({1});
  CHECK(delivered(order).empty());
  order.history_ends();
  Ordered offer = ordered(1, 2, 3, 2);
  offer.kind = BroadcastKind::offer;
  order.take(offer);
  order.take(ordered(1, 3, 3, 1));
  order.deliver_up_to({3});
  CHECK(delivered(order) == std::vector<uint64_t>{2, 3});
}

TEST_CASE("one that is led elsewhere before its history came is told what is said there") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  order.history_begins({9});
  order.take(ordered(1, 1, 3, 1));
  order.deliver_up_to({1});
  CHECK(delivered(order).empty());
  order.enter_view({2}, node_id(4), {1}, {1}, true);
  for (uint64_t i = 2; i <= 3; ++i) order.take(ordered(2, i, 3, i));
  order.deliver_up_to({3});
  CHECK(delivered(order) == std::vector<uint64_t>{2, 3});
}

TEST_CASE("one that begins before its history came goes on behind the places that it has") {
  Order order(node_id(1), {1});
  const std::vector<ViewMark> line = {{{3}, node_id(3), {1}, {9}}, {{1}, node_id(2), {1}, {5}}};
  order.enter_view({3}, node_id(3), {1}, {0}, false, true, line);
  for (uint64_t i = 1; i <= 2; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({2});
  order.begin_view({4}, node_id(1));
  const std::vector<ViewMark> mine = {{{4}, node_id(1), {1}, {2}}, {{1}, node_id(2), {1}, {2}}};
  CHECK(order.whole_line() == mine);
}

TEST_CASE("what was heard on another side is given a place on this one") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  for (uint64_t i = 1; i <= 4; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({4});
  CHECK(delivered(order).size() == 4);
  SUBCASE("that parted from the other") {
    order.enter_view({2}, node_id(4), {1}, {2}, true);
    order.begin_view({3}, node_id(1));
    CHECK_FALSE(order.place(entry_of(3), word(2)));
    CHECK(order.place(entry_of(3), word(3)));
  }
  SUBCASE("that has nothing in common with it") {
    order.enter_view({2}, node_id(4), {1}, {0}, false);
    order.begin_view({3}, node_id(1));
    CHECK(order.place(entry_of(3), word(1)));
  }
  order.deliver_up_to(order.last());
  CHECK(delivered(order).empty());  // and nobody is told it twice
}

TEST_CASE("what a sender said and nobody holds any more is told as skipped, once") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  const auto say = [&](uint64_t number) {
    order.place(entry_of(2), word(number));
    order.deliver_up_to(order.last());
    return order.poll_delivery()->skipped;
  };
  CHECK(say(4) == 0);  // of one that was not heard before it may be said to others
  CHECK(say(5) == 0);
  CHECK(say(12) == 6);
  CHECK(say(13) == 0);
  // What a jump of places told already is not told again.
  CHECK(order.enter_view({2}, node_id(3), {1}, {9}, true) > 0);
  order.take(ordered(2, 10, 2, 30));
  order.take(ordered(2, 11, 2, 33));
  order.deliver_up_to({11});
  CHECK(order.poll_delivery()->skipped == 0);
  CHECK(order.poll_delivery()->skipped == 2);
}

TEST_CASE("an offer gets no place behind what its node said later: it waits no more") {
  Order order(node_id(1), {1});
  const Signer signer{identity(1), "lab"};
  for (const BroadcastKind kind :
       {BroadcastKind::offer, BroadcastKind::chat, BroadcastKind::chat, BroadcastKind::offer}) {
    REQUIRE(order.publish(kind, {'x'}, signer));
  }
  SUBCASE("where others carried the third word here") {
    order.enter_view({1}, node_id(2), {1}, {0}, false);
    REQUIRE(order.take(ordered(1, 1, 1, 3)));
    order.deliver_up_to({1});
    CHECK(delivered(order) == std::vector<uint64_t>{1});
    const std::vector<Publish> overtaken = order.take_overtaken_offers();
    REQUIRE(overtaken.size() == 1);
    CHECK(overtaken[0].number == 1);
    CHECK(order.is_pending(2));  // chat is for those who may hear it elsewhere
    CHECK_FALSE(order.is_pending(1));
    CHECK(order.is_pending(4));
  }
  SUBCASE("but not where it has its place and is only not stable yet") {
    order.begin_view({1}, node_id(1));
    const std::deque<Publish> all = order.pending();
    for (const Publish& one : all) REQUIRE(order.place(entry_of(1), one));
    CHECK(order.take_overtaken_offers().empty());
    order.deliver_up_to({2});
    CHECK(delivered(order) == std::vector<uint64_t>{1, 2});
    CHECK(order.take_overtaken_offers().empty());
    CHECK(order.is_pending(4));
  }
}

TEST_CASE("of views only the latest are remembered, and who knows none of those starts anew") {
  Order order(node_id(1), {1});
  const size_t count = views_max + 36;
  for (uint64_t i = 1; i <= count; ++i) {
    order.enter_view({i}, node_id(2), {1}, order.last(), i > 1, false);
    REQUIRE(order.take(ordered(i, i, 3, i)));
    order.deliver_up_to(order.last());
    delivered(order);
    REQUIRE(order.is_consistent());
  }
  const auto resumes = [&](uint64_t view) {
    return order.resume_point({{{view}, node_id(2), {1}, {view}}}, 0).resumed;
  };
  CHECK(resumes(count - views_max + 1));
  CHECK_FALSE(resumes(count - views_max));
}
