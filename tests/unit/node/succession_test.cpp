// SPDX-License-Identifier: MIT
//
// Who is next, as a supernode measures its members (OVERLAY.md 4).
#include <doctest/doctest.h>

#include <algorithm>

#include "node/order.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

static NodeId first_of(Honest& supernode) {
  for (const Peer& peer : supernode->peers()) {
    if (peer.rank == 1) return peer.node;
  }
  return {};
}

TEST_CASE("who says that its host is busy is next no more, and is again when that is over") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile carl{stage, remote(3), 3};
  carl.join(anna.at());
  stage.run(milliseconds(300));
  Hostile bert{stage, remote(2), 2};
  bert.join(anna.at());
  stage.run(milliseconds(300));
  REQUIRE(first_of(anna) == carl.id());
  carl.lag(milliseconds(60));
  stage.run(seconds(11));  // ranks change at most every ten
  CHECK(first_of(anna) == bert.id());
  carl.lag(milliseconds(18));  // on the edge
  stage.run(seconds(11));
  CHECK(first_of(anna) == bert.id());
  carl.lag({});
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == carl.id());
  carl.lag(milliseconds(60));
  stage.run(seconds(9));
  CHECK(first_of(anna) == carl.id());
  stage.run(seconds(2));
  CHECK(first_of(anna) == bert.id());
}

TEST_CASE("whom most others cannot reach comes last, one's word alone moves nobody") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile carl{stage, remote(3), 3};
  Hostile dora{stage, remote(4), 4};
  Hostile emil{stage, remote(5), 5};
  for (Hostile* one : {&carl, &dora, &emil}) {
    one->join(anna.at());
    stage.run(milliseconds(300));
  }
  REQUIRE(first_of(anna) == carl.id());
  dora.miss({carl.id()});
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == carl.id());
  emil.miss({carl.id(), anna->id()});
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == dora.id());
  for (Hostile* one : {&dora, &emil}) one->miss({});  // who is not tried is not missed
  stage.run(seconds(60));
  CHECK(first_of(anna) == dora.id());
  stage.run(std::chrono::minutes(5));
  dora.lag(milliseconds(60));  // ranks are given anew
  stage.run(seconds(11));
  CHECK(first_of(anna) == carl.id());
}

namespace {

/// Mallory leads; Anna is told that Kate is the first successor.
struct Led {
  Led() {
    mallory.wait_for_call();
    kate.wait_for_call();
    anna->join(stage.now(), {1}, {mallory.at()}, secret());
    stage.run(milliseconds(100));
    const Hello hello = mallory.heard<Hello>().at(0);
    const RosterEntry entry{hello.node, hello.incarnation, "anna", {}, 2, 0, hello.key};
    RosterEntry first = kate.entry();
    first.nick = "kate";
    first.rank = 1;
    first.addresses = {kate.at()};
    mallory.say(mallory.hello(Purpose::answer));
    mallory.say(Welcome{{5}, mallory.id(), "anna", anna.at(), false, {10}, secret()});
    mallory.say(
        RosterUpdate{{5}, mallory.id(), {1}, true, true, {mallory.entry(), entry, first}, {}});
    mallory.say(StandingOffers{true, {}});
    mallory.say(Ready{{5}, {10}});
    stage.run(milliseconds(300));
    REQUIRE(anna->role() == Role::member);
  }
  void sleep(mrt::Duration time) {
    stage.remove(anna);
    stage.run(time);
    stage.add(anna);
  }

  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Hostile kate{stage, remote(4), 4};
  Honest anna{stage, remote(1), 1, "anna"};
};

}  // namespace

TEST_CASE_FIXTURE(Led,
                  "a node whose timers fire late tells its supernode; one hiccup is not told") {
  CHECK(mallory.heartbeat_heard().late_ms == 0);
  sleep(milliseconds(300));
  stage.run(milliseconds(300));
  CHECK(mallory.heartbeat_heard().late_ms < 16);
  for (int i = 0; i < 100; ++i) {
    stage.run(milliseconds(5));
    sleep(milliseconds(140));
  }
  stage.run(milliseconds(120));
  CHECK(mallory.heartbeat_heard().late_ms > 16);
}

TEST_CASE_FIXTURE(Led, "a node tells its supernode of a successor to whom it finds no way") {
  stage.remove(kate);
  stage.run(milliseconds(2500));
  CHECK(mallory.heartbeat_heard().unreached.empty());
  stage.run(seconds(3));
  CHECK(mallory.heartbeat_heard().unreached == std::vector{kate.id()});
  stage.add(kate);
  stage.run(milliseconds(200));  // what waited on the wire: calls that were given up
  kate.wait_for_call();
  while (!kate.is_called() || kate.heard<Hello>().empty()) stage.run(milliseconds(10));
  kate.say(kate.hello(Purpose::answer));
  stage.run(milliseconds(300));
  CHECK(mallory.heartbeat_heard().unreached.empty());
}

TEST_CASE("who is named as the successor right after it came is known to all by then") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, remote(2), 2};
  bert.join(anna.at());
  stage.run(milliseconds(300));
  Hostile carl{stage, remote(3), 3};
  Hostile dora{stage, remote(4), 4};
  carl.call(anna.at());
  dora.call(anna.at());
  dora.say(dora.hello(Purpose::join));  // the next news of who is here waits 20 ms
  stage.run(milliseconds(3));
  carl.say(carl.hello(Purpose::join));
  while (carl.heard<Welcome>().empty()) stage.run(milliseconds(1));
  bert.line().heard.clear();
  anna->hand_over(stage.now(), {1}, carl.id().to_string());
  stage.run(milliseconds(5));
  REQUIRE(bert.heard<SupernodeClose>().size() == 1);
  REQUIRE(std::holds_alternative<RosterUpdate>(bert.line().heard.front()));
  const RosterUpdate told = bert.heard<RosterUpdate>().front();
  CHECK(std::ranges::any_of(told.entries, [&](const auto& one) { return one.node == carl.id(); }));
}

namespace {

/// Anna's star, and its first successor, who never says by itself what it holds.
struct Silent {
  Silent() {
    mallory.join(anna.at());
    stage.run(milliseconds(200));
    REQUIRE(first_of(anna) == mallory.id());
  }
  bool is_in() {
    const auto peers = anna->peers();
    return std::ranges::any_of(peers, [&](const Peer& one) { return one.node == mallory.id(); });
  }

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile mallory{stage, remote(3), 3};
};

}  // namespace

TEST_CASE_FIXTURE(Silent,
                  "a successor who says for half a minute that it holds nothing is closed") {
  anna->chat(stage.now(), {1}, "one");
  stage.run(seconds(20));
  CHECK(is_in());
  CHECK(anna.told<ChatDelivered>().empty());
  SUBCASE("it says nothing") {
    stage.run(seconds(15));
    CHECK_FALSE(is_in());
    CHECK(anna.told<ChatDelivered>().size() == 1);
  }
  SUBCASE("it was slow") {
    mallory.say(Holds{anna->epoch(), {1}});
    stage.run(seconds(60));
    CHECK(is_in());
    CHECK(anna.told<ChatDelivered>().size() == 1);
  }
  SUBCASE("another one was first meanwhile: the half minute begins anew") {
    mallory.lag(seconds(1));
    Honest bert{stage, remote(2), 2, "bert"};
    REQUIRE(bert.join(anna.at()));
    stage.run(seconds(15));
    REQUIRE(first_of(anna) == bert->id());
    CHECK(is_in());
    bert->quit(stage.now(), "done");
    anna->chat(stage.now(), {2}, "two");
    stage.run(seconds(20));
    REQUIRE(first_of(anna) == mallory.id());
    stage.run(seconds(20));
    CHECK_FALSE(is_in());
  }
}

TEST_CASE_FIXTURE(Silent, "what waits for a successor's word is bounded") {
  uint64_t said = 0;
  for (int i = 0; i < 240; ++i) {
    for (int k = 0; k < 100; ++k) {
      mallory.say(Publish{mallory.life(), ++said, BroadcastKind::chat, {104}});
    }
    stage.run(milliseconds(100));
  }
  const size_t placed = mallory.heard<Ordered>().size();
  CHECK(placed > tail_messages_max);
  CHECK(placed <= 2 * tail_messages_max + 1);
  mallory.say(Holds{anna->epoch(), {placed}});
  stage.run(milliseconds(500));
  CHECK(mallory.heard<Ordered>().size() > placed);
}
