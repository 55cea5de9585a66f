// SPDX-License-Identifier: MIT
#include "node/order.h"

#include <doctest/doctest.h>

#include "unit/node/senders.h"

using namespace node;
using namespace node::test;

static mrt::Bytes text(const char* words) {
  const auto view = mrt::as_bytes(words);
  return {view.begin(), view.end()};
}

static std::vector<uint64_t> delivered(Order& order) {
  std::vector<uint64_t> seqs;
  while (const auto delivery = order.poll_delivery())
    seqs.push_back(delivery->message.place.seq.value);
  return seqs;
}

static Publish say(Order& order, const char* words, uint8_t self = 1) {
  return *order.publish(BroadcastKind::chat, text(words), {identity(self), "lab"});
}

TEST_CASE("a supernode delivers to its own user only what is stable") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  CHECK(order.place(entry_of(1), say(order, "one")));
  CHECK(order.place(entry_of(1), say(order, "two")));
  CHECK(delivered(order).empty());
  order.deliver_up_to({1});
  CHECK(delivered(order) == std::vector<uint64_t>{1});
  CHECK(order.pending().size() == 1);
  order.deliver_up_to({2});
  CHECK(delivered(order) == std::vector<uint64_t>{2});
  CHECK_FALSE(order.has_pending());
}

TEST_CASE("a message that is said again has its place already") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  const Publish first{{9}, 1, BroadcastKind::chat, text("hi")};
  CHECK(order.place(entry_of(2), first));
  CHECK_FALSE(order.place(entry_of(2), first));
  CHECK(order.last() == Seq{1});
  // The same words of another sender, and of another life, are other messages.
  CHECK(order.place(entry_of(3), first));
  CHECK(order.place(entry_of(2), {{10}, 1, BroadcastKind::chat, text("hi")}));
}

TEST_CASE("words that this node did not say in this life are known as forged") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(2));
  say(order, "x");
  say(order, "other");
  CHECK_FALSE(order.is_forged(ordered(1, 1, 1, 1)));
  CHECK(order.is_forged(ordered(1, 1, 1, 2)));        // another text
  CHECK(order.is_forged(ordered(1, 1, 1, 3)));        // not said yet
  CHECK_FALSE(order.is_forged(ordered(1, 1, 2, 9)));  // of others nothing is known
  Ordered other_life = ordered(1, 1, 1, 9);
  other_life.id.incarnation = {2};
  CHECK_FALSE(order.is_forged(other_life));
  REQUIRE(order.take(ordered(1, 1, 1, 1)));
  order.deliver_up_to({1});
  CHECK(delivered(order).size() == 1);
  CHECK_FALSE(order.is_forged(ordered(1, 2, 1, 1)));  // a repeat of what came back
}

TEST_CASE("a hole in the order is not taken") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  CHECK(order.take(ordered(1, 1, 3, 1)));
  CHECK_FALSE(order.take(ordered(1, 3, 3, 3)));
  CHECK_FALSE(order.take(ordered(1, 1, 3, 1)));
  CHECK(order.take(ordered(1, 2, 3, 2)));
}

TEST_CASE("what comes again under another place is delivered once") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  order.take(ordered(1, 1, 3, 1));
  order.take(ordered(1, 2, 3, 2));
  order.deliver_up_to({2});
  CHECK(delivered(order).size() == 2);
  // Another star took both anew.
  order.enter_view({5}, node_id(4), {1}, {40}, false);
  order.take(ordered(5, 41, 3, 1));
  order.take(ordered(5, 42, 3, 2));
  order.take(ordered(5, 43, 3, 3));
  order.deliver_up_to({43});
  CHECK(delivered(order) == std::vector<uint64_t>{43});
  CHECK(order.delivered() == Seq{43});
}

TEST_CASE("one who returns to its line goes on where it stopped") {
  Order supernode(node_id(1), {1});
  supernode.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 5; ++i) {
    supernode.place(entry_of(2), {{1}, i, BroadcastKind::chat, text("x")});
  }
  const auto point = supernode.resume_point({{{1}, node_id(1), {1}, {3}}}, 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{3});
  CHECK(supernode.next_after({3})->first == Seq{4});
  CHECK_FALSE(supernode.next_after({5}));
}

TEST_CASE("places that only one side gave are taken back where the lines part") {
  // The old supernode went on to 7; its successor began epoch 2 behind 5.
  Order successor(node_id(2), {1});
  successor.enter_view({1}, node_id(1), {1}, {0}, false);
  for (uint64_t i = 1; i <= 5; ++i) successor.take(ordered(1, i, 3, i));
  successor.begin_view({2}, node_id(2));
  const auto point = successor.resume_point({{{1}, node_id(1), {1}, {7}}}, 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{5});

  Order old(node_id(1), {1});
  old.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 7; ++i) {
    old.place(entry_of(3), {{1}, i, BroadcastKind::chat, text("x")});
  }
  old.deliver_up_to({5});
  CHECK(delivered(old).size() == 5);
  old.forget_undelivered();
  CHECK(old.enter_view({2}, node_id(2), {1}, {5}, true) == 0);
  // 6 and 7 were placed and never delivered: placed anew they are news.
  CHECK(old.take(ordered(2, 6, 3, 6)));
  CHECK(old.take(ordered(2, 7, 3, 7)));
  old.deliver_up_to({7});
  CHECK(delivered(old) == std::vector<uint64_t>{6, 7});
}

/// One that heard 3 say 1 to 5, and is led to others who parted after 3.
static Order come_from_a_side() {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  for (uint64_t i = 1; i <= 5; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({5});
  CHECK(delivered(order).size() == 5);
  order.enter_view({2}, node_id(4), {1}, {3}, true);
  return order;
}

TEST_CASE("what others said on a side that is left is carried until it has a place here") {
  Order order = come_from_a_side();
  CHECK(carried_numbers(order) == std::vector<uint64_t>{4, 5});
  // Its sender was quicker with the first of them.
  CHECK(order.take(ordered(2, 4, 3, 4)));
  CHECK(carried_numbers(order) == std::vector<uint64_t>{5});
  CHECK(order.take(ordered(2, 5, 3, 5)));
  CHECK(carried_numbers(order).empty());
  order.deliver_up_to({5});
  CHECK(delivered(order).empty());
  // That line is left as well, before 5 had a place in the next.
  order.enter_view({3}, node_id(5), {1}, {4}, true);
  CHECK(carried_numbers(order) == std::vector<uint64_t>{5});
}

TEST_CASE("a supernode gives places to what a member carries, in its sender's order and once") {
  const Order member = come_from_a_side();
  Order order(node_id(4), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  for (uint64_t i = 1; i <= 3; ++i) order.take(ordered(1, i, 3, i));
  order.deliver_up_to({3});
  CHECK(delivered(order).size() == 3);
  order.begin_view({2}, node_id(4));
  // Behind a hole it would keep out what lies there.
  order.carry(ordered(1, 5, 3, 5));
  CHECK(order.carried().empty());
  for (int twice = 0; twice < 2; ++twice) {
    for (const auto& [key, message] : member.carried()) {
      CHECK(order.lacks(message.id) == (twice == 0));
      order.carry(message);
      CHECK_FALSE(order.lacks(message.id));
    }
    order.place_carried();
    CHECK(order.last() == Seq{5});
  }
  order.deliver_up_to({5});
  CHECK(delivered(order) == std::vector<uint64_t>{4, 5});
}

TEST_CASE("who carries and comes to lead gives places to what it had heard itself") {
  Order order = come_from_a_side();
  order.begin_view({3}, node_id(1));
  order.place_carried();
  CHECK(order.next_after({3})->first == Seq{4});
  CHECK(order.last() == Seq{5});
  // Nobody confirmed it: it is carried on.
  order.forget_undelivered();
  CHECK(carried_numbers(order) == std::vector<uint64_t>{4, 5});
  order.place_carried();
  order.deliver_up_to({5});
  CHECK(delivered(order).empty());
}

TEST_CASE("own messages are said in their order, from where the supernode was told") {
  Order order(node_id(1), {1});
  CHECK_FALSE(order.pending_after(0));
  for (int i = 0; i < 3; ++i) say(order, "x");
  CHECK(order.pending_after(0)->number == 1);
  CHECK(order.pending_after(2)->number == 3);
  CHECK_FALSE(order.pending_after(3));
}

TEST_CASE("two sides of a cut find the last view that both came through") {
  Order winner(node_id(1), {1});
  winner.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 4; ++i) {
    winner.place(entry_of(1), {{1}, i, BroadcastKind::chat, text("x")});
  }
  winner.begin_view({3}, node_id(1));
  winner.place(entry_of(1), {{1}, 5, BroadcastKind::chat, text("x")});

  Order loser(node_id(2), {1});
  loser.enter_view({1}, node_id(1), {1}, {0}, false);
  for (uint64_t i = 1; i <= 3; ++i) loser.take(ordered(1, i, 1, i));
  loser.begin_view({2}, node_id(2));
  loser.place(entry_of(2), say(loser, "while we were apart", 2));
  loser.deliver_up_to({4});
  CHECK(delivered(loser) == std::vector<uint64_t>{1, 2, 3, 4});

  const auto point = winner.resume_point(loser.line(), 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{3});
  CHECK(loser.enter_view({3}, node_id(1), {1}, point.after, true) == 0);
  // What it said meanwhile the others have not heard: it says it again.
  REQUIRE(loser.pending().size() == 1);
  CHECK(mrt::as_text(loser.pending().front().body) == "while we were apart");
  CHECK(loser.take(ordered(1, 4, 1, 4)));
  CHECK(loser.take(ordered(3, 5, 1, 5)));
  CHECK(loser.take(ordered(3, 6, 2, 1)));
  loser.deliver_up_to({6});
  CHECK(delivered(loser) == std::vector<uint64_t>{4, 5});  // its own was heard here before
  CHECK_FALSE(loser.has_pending());
}

TEST_CASE("an offer that counts again takes no chat behind it into the next epoch") {
  Order order(node_id(1), {1});
  order.enter_view({1}, node_id(2), {1}, {0}, false);
  Ordered offer = ordered(1, 2, 3, 2);
  offer.kind = BroadcastKind::offer;
  order.take(ordered(1, 1, 3, 1));
  order.take(offer);
  order.take(ordered(1, 3, 3, 3));
  order.deliver_up_to({3});
  CHECK(delivered(order).size() == 3);
  order.enter_view({2}, node_id(4), {1}, {1}, true, false);
  order.take(offer);
  order.take(ordered(1, 3, 3, 3));
  order.take(ordered(1, 4, 3, 4));
  order.deliver_up_to({4});
  CHECK(order.poll_delivery()->message.kind == BroadcastKind::offer);
  const auto fresh = order.poll_delivery();
  REQUIRE(fresh);
  CHECK(fresh->message.place == Place{{1}, {4}});
}

TEST_CASE("places of another side are told under the new epoch: its old one may be the own one's") {
  for (const bool apart : {true, false}) {
    Order order(node_id(1), {1});
    order.enter_view({1}, node_id(9), {1}, {0}, false);
    for (uint64_t i = 1; i <= 3; ++i) order.take(ordered(1, i, 9, i));
    order.deliver_up_to({3});
    CHECK(delivered(order).size() == 3);
    // Behind 3 there is one epoch 2 here, where nothing was said, and maybe another one there.
    order.begin_view({2}, node_id(8));
    CHECK(order.enter_view({3}, node_id(7), {1}, {3}, true, apart) == 0);
    CHECK(order.take(ordered(2, 4, 9, 4)));
    CHECK(order.take(ordered(3, 5, 9, 5)));
    order.deliver_up_to({5});
    CHECK(order.poll_delivery()->message.place == Place{{apart ? 3u : 2u}, {4}});
    CHECK(order.poll_delivery()->message.place == Place{{3}, {5}});
  }
  // A newcomer had no view before: nothing can be mistaken.
  Order newcomer(node_id(2), {1});
  newcomer.enter_view({3}, node_id(7), {1}, {3}, false);
  CHECK(newcomer.take(ordered(2, 4, 9, 4)));
  newcomer.deliver_up_to({4});
  CHECK(newcomer.poll_delivery()->message.place == Place{{2}, {4}});
}

TEST_CASE("a supernode that starts again and takes the same epoch begins another view") {
  Order first(node_id(1), {1});
  first.begin_view({5}, node_id(1));
  Order again(node_id(1), {2});
  again.begin_view({5}, node_id(1));
  Order member(node_id(3), {1});
  member.enter_view({5}, node_id(1), {1}, {0}, false);
  for (Order* supernode : {&first, &again}) {
    supernode->place(entry_of(2), {{9}, 1, BroadcastKind::chat, text("x")});
  }
  CHECK(member.take(ordered(5, 1, 2, 1)));
  member.deliver_up_to({1});
  CHECK(delivered(member).size() == 1);
  CHECK(member.life() == Incarnation{1});
  CHECK(first.resume_point(member.line(), 0).resumed);
  CHECK_FALSE(again.resume_point(member.line(), 0).resumed);
}

TEST_CASE("one who came in later can tell those who were there before where they go on") {
  Order first(node_id(1), {1});
  first.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 7; ++i) {
    if (i == 6) first.begin_view({2}, node_id(1));
    first.place(entry_of(3), {{1}, i, BroadcastKind::chat, text("x")});
    first.deliver_up_to({i});
    CHECK(delivered(first).size() == 1);
  }
  Order late(node_id(2), {1});
  late.enter_view({2}, node_id(1), {1}, {7}, false, true, first.whole_line());
  CHECK(late.line() == first.line());
  late.begin_view({3}, node_id(2));
  // One that was away since place 4: it is told of a gap, and not passed over as a stranger.
  const auto point = late.resume_point({{{1}, node_id(1), {1}, {4}}}, 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{7});
  Order old(node_id(4), {1});
  old.enter_view({1}, node_id(1), {1}, {0}, false);
  for (uint64_t i = 1; i <= 4; ++i) old.take(ordered(1, i, 3, i));
  old.deliver_up_to({4});
  CHECK(delivered(old).size() == 4);
  CHECK(old.enter_view({3}, node_id(2), {1}, point.after, point.resumed, true, late.whole_line()) ==
        3);
  // Of one who lies about it nothing is believed.
  const std::vector<ViewMark> falling = {{{3}, node_id(2), {1}, {9}}, {{4}, node_id(2), {1}, {8}}};
  old.enter_view({4}, node_id(2), {1}, {9}, true, true, falling);
  CHECK(old.line().size() == 4);
}

TEST_CASE("who comes to lead before all places came sends nobody on behind what it holds") {
  // It was told that epoch 2 began behind 7 and 3 behind 9, and lost its supernode at place 4.
  Order early(node_id(2), {1});
  const std::vector<ViewMark> line = {
      {{3}, node_id(3), {1}, {9}}, {{2}, node_id(3), {1}, {9}}, {{1}, node_id(4), {1}, {7}}};
  early.enter_view({3}, node_id(3), {1}, {0}, true, true, line);
  for (uint64_t i = 1; i <= 4; ++i) early.take(ordered(1, i, 3, i));
  CHECK_FALSE(early.is_line_held());
  early.begin_view({4}, node_id(2));
  CHECK(early.is_line_held());
  // One that was away since place 7 of the first view.
  const auto point = early.resume_point({line.back()}, 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{4});
}

TEST_CASE("what was said alone is said again, also where the supernode holds nothing so old") {
  // The star went on from place 2; who leads it now came in at place 8.
  Order late(node_id(2), {1});
  const std::vector<ViewMark> line = {{{2}, node_id(3), {1}, {8}}, {{1}, node_id(4), {1}, {2}}};
  late.enter_view({2}, node_id(3), {1}, {8}, false, true, line);
  late.begin_view({3}, node_id(2));
  // This side went on alone from 2 to 5, by its own words.
  Order alone(node_id(1), {1});
  alone.enter_view({1}, node_id(4), {1}, {0}, false);
  for (uint64_t i = 1; i <= 5; ++i) {
    if (i == 3) alone.begin_view({2}, node_id(1));
    const Publish own = say(alone, "x");
    alone.take(ordered(i < 3 ? 1u : 2u, i, 1, own.number));
    alone.deliver_up_to({i});
    CHECK(delivered(alone).size() == 1);
  }
  const auto point = late.resume_point(alone.line(), 0);
  CHECK(point.resumed);
  CHECK(point.after == Seq{8});
  CHECK(alone.enter_view({3}, node_id(2), {1}, point.after, point.resumed, true,
                         late.whole_line()) == 6);
  REQUIRE(alone.pending().size() == 3);
  CHECK(alone.pending().front().number == 3);
}

TEST_CASE("what was said in another star before is said again in the one that is joined") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  order.place(entry_of(1), say(order, "mine"));
  order.place(entry_of(2), {{1}, 1, BroadcastKind::chat, text("another's")});
  order.deliver_up_to({2});
  CHECK(delivered(order).size() == 2);
  order.enter_view({4}, node_id(9), {1}, {70}, false);
  REQUIRE(order.pending().size() == 1);
  CHECK(mrt::as_text(order.pending().front().body) == "mine");
  CHECK(order.take(ordered(4, 71, 1, 1)));
  order.deliver_up_to({71});
  CHECK(delivered(order).empty());  // its user had it
  CHECK_FALSE(order.has_pending());
  CHECK(order.is_consistent());
}

TEST_CASE("a newcomer is told the last chats, and keeps the rest for others") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 9; ++i) {
    const auto kind = i % 3 == 0 ? BroadcastKind::offer : BroadcastKind::chat;
    order.place(entry_of(2), {{1}, i, kind, text("x")});
  }
  CHECK(order.resume_point({{{0}, node_id(7), {1}, {0}}}, 0).kept == Seq{9});
  const auto two = order.resume_point({{{0}, node_id(7), {1}, {0}}}, 2);
  CHECK_FALSE(two.resumed);
  CHECK(two.after == Seq{0});
  CHECK(two.kept == Seq{6});  // 7 and 8 are the last two chats
  CHECK(order.resume_point({{{0}, node_id(7), {1}, {0}}}, 1000).kept == Seq{0});
}

TEST_CASE("the tail keeps its last 10,000 messages, and a jump tells what is gone") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  const uint64_t count = tail_messages_max + 50;
  for (uint64_t i = 1; i <= count; ++i) {
    order.place(entry_of(2), {{1}, i, BroadcastKind::chat, text("x")});
    order.deliver_up_to({i});
    order.poll_delivery();
  }
  CHECK(order.is_consistent());
  CHECK(order.held_from().value == 51);
  CHECK(order.resume_point({{{1}, node_id(1), {1}, {10}}}, 0).after == Seq{50});
  Order late(node_id(3), {1});
  late.enter_view({1}, node_id(1), {1}, {0}, false);
  for (uint64_t i = 1; i <= 10; ++i) late.take(ordered(1, i, 2, i));
  late.deliver_up_to({10});
  CHECK(delivered(late).size() == 10);
  CHECK(late.enter_view({1}, node_id(1), {1}, {50}, true) == 40);
}

TEST_CASE("the tail keeps at most 16 MiB") {
  Order order(node_id(1), {1});
  order.begin_view({1}, node_id(1));
  for (uint64_t i = 1; i <= 300; ++i) {
    order.place(entry_of(2), {{1}, i, BroadcastKind::chat, mrt::Bytes(text_bytes_max)});
    order.deliver_up_to({i});
    order.poll_delivery();
  }
  CHECK(order.held_from().value > 300 - 257);
  CHECK(order.is_consistent());
}

TEST_CASE("own messages are refused once too many wait") {
  Order order(node_id(1), {1});
  for (size_t i = 0; i < pending_messages_max; ++i) {
    say(order, "x");
  }
  const Signer signer{identity(1), "lab"};
  CHECK_FALSE(order.publish(BroadcastKind::chat, text("x"), signer));
  Order heavy(node_id(1), {1});
  size_t taken = 0;
  const mrt::Bytes largest(text_bytes_max);
  while (heavy.publish(BroadcastKind::chat, largest, signer)) ++taken;
  CHECK(taken == pending_bytes_max / kept_size(largest));
}

TEST_CASE("an own message is safe once the mark has passed its place") {
  Order order(node_id(3), {1});
  order.enter_view({1}, node_id(1), {1}, {0}, false);
  say(order, "mine", 3);
  order.take(ordered(1, 1, 2, 1));
  order.take(ordered(1, 2, 3, 1));
  order.deliver_up_to({2});
  CHECK(delivered(order).size() == 2);
  CHECK_FALSE(order.has_pending());
  CHECK_FALSE(order.on_stable({1}));
  CHECK(order.on_stable({2}) == 1u);
  CHECK_FALSE(order.on_stable({2}));
}

TEST_CASE("an own message whose place is taken back is safe only in its next one") {
  Order order(node_id(3), {1});
  order.enter_view({1}, node_id(1), {1}, {0}, false);
  say(order, "mine");
  order.take(ordered(1, 1, 2, 1));
  order.take(ordered(1, 2, 3, 1));
  order.deliver_up_to({2});
  CHECK(delivered(order).size() == 2);
  // The others went on from the first place alone, and their second is another's.
  order.enter_view({2}, node_id(2), {1}, {1}, true);
  order.take(ordered(2, 2, 2, 2));
  order.deliver_up_to({2});
  CHECK(delivered(order).size() == 1);
  CHECK(order.pending().size() == 1);
  CHECK_FALSE(order.on_stable({2}));
  order.take(ordered(2, 3, 3, 1));
  order.deliver_up_to({3});
  CHECK(delivered(order).empty());  // a repeat
  CHECK(order.on_stable({3}) == 1u);
}
