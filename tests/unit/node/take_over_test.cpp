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

TEST_CASE_FIXTURE(Orphans, "what a survivor has pending is placed when the view begins, once") {
  gather();
  const std::string_view text = "early";
  const Publish early{carl.life(), 1, BroadcastKind::chat, {text.begin(), text.end()}, {}};
  const Publish of_another_life{{77}, 1, BroadcastKind::chat, {text.begin(), text.end()}, {}};
  carl.say(Survivor{next, epoch, gone, life, {0}, {1}, {early}});
  stage.run(milliseconds(50));
  CHECK(carl.heard<Ordered>().empty());
  dora.say(Survivor{next, epoch, gone, life, {0}, {1}, {of_another_life}});
  stage.run(milliseconds(100));
  REQUIRE(bert->supernode() == bert->id());
  carl.say(early);  // as it would when it is in
  stage.run(milliseconds(100));
  for (Hostile* one : {&carl, &dora}) REQUIRE(one->heard<Ordered>().size() == 1);
  CHECK(dora.heard<Ordered>()[0].id == MessageId{carl.id(), carl.life(), 1});
}

TEST_CASE_FIXTURE(Orphans, "what a survivor of another line has pending waits until it is in") {
  gather();
  const std::string_view text = "early";
  const Publish early{carl.life(), 2, BroadcastKind::chat, {text.begin(), text.end()}, {}};
  carl.say(Survivor{next, epoch, dora.id(), dora.life(), {0}, {1}, {early}});
  answer(dora);
  stage.run(seconds(1));
  REQUIRE(bert->supernode() == bert->id());
  CHECK(carl.heard<Ordered>().empty());
  CHECK(dora.heard<Ordered>().empty());
}

TEST_CASE_FIXTURE(Orphans, "a survivor that has pending what nobody says is none") {
  gather();
  const std::string_view text = "\xff";
  carl.say(Survivor{next,
                    epoch,
                    gone,
                    life,
                    {0},
                    {1},
                    {{carl.life(), 1, BroadcastKind::chat, {text.begin(), text.end()}, {}}}});
  stage.run(milliseconds(100));
  CHECK(carl.is_closed_for_violation());
}
