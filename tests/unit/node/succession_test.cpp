// SPDX-License-Identifier: MIT
//
// Who is next, as a supernode measures its members (OVERLAY.md 4).
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;

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
  Honest bert{stage, remote(2), 2, "bert"};
  REQUIRE(bert.join(anna.at()));
  REQUIRE(first_of(anna) == carl.id());
  carl.lag(milliseconds(60));
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == bert->id());
  CHECK(first_of(bert) == bert->id());
  carl.lag(milliseconds(18));  // on the edge
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == bert->id());
  carl.lag({});
  stage.run(milliseconds(300));
  CHECK(first_of(anna) == carl.id());
}

TEST_CASE("a node whose timers fire late tells its supernode, one hiccup is not told") {
  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Honest anna{stage, remote(1), 1, "anna"};
  mallory.wait_for_call();
  anna->join(stage.now(), {1}, {mallory.at()}, secret());
  stage.run(milliseconds(100));
  const Hello hello = mallory.heard<Hello>().at(0);
  const RosterEntry entry{hello.node, hello.incarnation, "anna", {}, 1, 0, hello.key};
  mallory.say(mallory.hello(Purpose::answer));
  mallory.say(Welcome{{5}, mallory.id(), "anna", anna.at(), false, {10}, secret()});
  mallory.say(RosterUpdate{{5}, mallory.id(), {1}, true, true, {mallory.entry(), entry}, {}});
  mallory.say(StandingOffers{true, {}});
  mallory.say(Ready{{5}, {10}});
  stage.run(milliseconds(300));
  REQUIRE(anna->role() == Role::member);
  CHECK(mallory.lateness_heard() == milliseconds(0));
  const auto sleep = [&](mrt::Duration time) {
    stage.remove(anna);
    stage.run(time);
    stage.add(anna);
  };
  sleep(milliseconds(300));
  stage.run(milliseconds(300));
  CHECK(mallory.lateness_heard() < milliseconds(16));
  for (int i = 0; i < 100; ++i) {
    stage.run(milliseconds(5));
    sleep(milliseconds(140));
  }
  stage.run(milliseconds(120));
  CHECK(mallory.lateness_heard() > milliseconds(16));
}
