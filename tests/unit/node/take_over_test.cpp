// SPDX-License-Identifier: MIT
//
// What a node says and does not say when it has just come to lead (OVERLAY.md 3.5).
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Anna's star with Bert, who is next, and two members that keep to themselves what they hold.
struct Orphans {
  Orphans() {
    REQUIRE(bert.join(anna->at()));
    for (Hostile* one : {&carl, &dora}) one->join(anna->at());
    stage.run(milliseconds(300));
    gone = (*anna)->id();
    epoch = (*anna)->epoch();
    for (const auto& roster : carl.heard<RosterUpdate>()) {
      for (const RosterEntry& entry : roster.entries) {
        if (entry.node == gone) life = entry.incarnation;
      }
    }
  }

  /// Anna dies, and Bert asks who is left.
  void gather() {
    anna.reset();
    for (Hostile* one : {&carl, &dora}) {
      one->call(bert.at());
      one->say(one->hello(Purpose::warm));
    }
    for (int i = 0; i < 20 && carl.heard<Gather>().empty(); ++i) {
      for (Hostile* one : {&carl, &dora}) one->say(Suspect{epoch, {gone}});
      stage.run(milliseconds(100));
    }
    REQUIRE_FALSE(carl.heard<Gather>().empty());
    next = carl.heard<Gather>().back().epoch;
  }
  void answer(Hostile& survivor) {
    survivor.say(Survivor{next, epoch, gone, life, {0}, {1}});
    stage.run(milliseconds(20));
  }

  Stage stage;
  std::unique_ptr<Honest> anna =
      std::make_unique<Honest>(stage, remote(1), 1, "anna", secret(), true);
  Honest bert{stage, remote(2), 2, "bert"};
  Hostile carl{stage, remote(3), 3};
  Hostile dora{stage, remote(4), 4};
  NodeId gone;
  Epoch epoch;
  Incarnation life;
  Epoch next;  // that Bert began to gather for
};

}  // namespace

TEST_CASE_FIXTURE(Orphans, "who comes to lead calls nothing safe that its successor may not hold") {
  bert->chat(stage.now(), {1}, "mine");
  while (bert.told<ChatDelivered>().empty()) stage.run(milliseconds(1));
  REQUIRE(bert.told<OwnStable>().empty());
  gather();
  answer(carl);
  answer(dora);
  stage.run(seconds(1));
  REQUIRE(bert->supernode() == bert->id());
  CHECK(bert.told<OwnStable>().empty());
  for (Hostile* one : {&carl, &dora}) one->say(Holds{bert->epoch(), {1}});
  stage.run(milliseconds(300));
  CHECK(bert.told<OwnStable>().size() == 1);
}

TEST_CASE_FIXTURE(Orphans, "who is gathered out of a view of another line is told all") {
  bert->chat(stage.now(), {1}, "mine");
  while (bert.told<ChatDelivered>().empty()) stage.run(milliseconds(1));
  gather();
  answer(dora);
  carl.say(Survivor{next, epoch, dora.id(), dora.life(), {0}, {1}});
  stage.run(seconds(1));
  REQUIRE(bert->supernode() == bert->id());
  const Welcome welcome = carl.heard<Welcome>().back();
  CHECK_FALSE(welcome.resumed);
  CHECK(welcome.delivered == Seq{0});
  CHECK(welcome.kept == Seq{0});
  CHECK(dora.heard<Welcome>().back().resumed);
}
