// SPDX-License-Identifier: MIT
//
// Whom a supernode looks for after they have gone (OVERLAY.md 6.7).
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Mallory's star, with Elder and Anna in it, has lost Kate; then Zoe comes.
struct Heirs {
  Heirs() {
    mallory.wait_for_call();
    anna->join(stage.now(), {1}, {mallory.at()}, secret());
    stage.run(milliseconds(100));
    const Hello hello = mallory.heard<Hello>().at(0);
    anna_entry = {hello.node, hello.incarnation, "anna", {}, 2, 0, hello.key};
    mallory.say(mallory.hello(Purpose::answer));
    take_in(mallory, {5}, {entry(elder, 1), anna_entry, entry(kate, 7)});
    REQUIRE(anna->role() == Role::member);
    kate.wait_for_call();
    mallory.say(
        RosterUpdate{{5}, mallory.id(), {2}, false, true, {}, {{kate.id(), GoneReason::lost}}});
    stage.run(milliseconds(20));
    mallory.say(RosterUpdate{{5}, mallory.id(), {3}, false, true, {entry(zoe, 8)}, {}});
    stage.run(seconds(1));
  }

  RosterEntry entry(Hostile& of, uint32_t rank) {
    RosterEntry out = of.entry();
    out.nick = of.id().to_string().substr(0, 8);
    out.rank = rank;
    return out;
  }
  void take_in(Hostile& leader, Epoch epoch, std::vector<RosterEntry> others) {
    leader.say(Welcome{epoch,
                       leader.id(),
                       "anna",
                       anna.at(),
                       epoch == Epoch{6},
                       {10},
                       secret(),
                       {},
                       {},
                       epoch == Epoch{6} && !begun_before});
    others.push_back(entry(leader, 0));
    leader.say(RosterUpdate{epoch, leader.id(), {1}, true, true, std::move(others), {}});
    leader.say(StandingOffers{true, {}});
    leader.say(Ready{epoch, {10}});
    stage.run(milliseconds(100));
  }
  /// Mallory leaves, and Zoe leads.
  void hand_over(std::vector<RosterEntry> others) {
    zoe.call(anna.at());
    zoe.say(zoe.hello(Purpose::warm));
    stage.run(milliseconds(50));
    mallory.say(SupernodeClose{{6}, zoe.id(), {zoe.at()}, CloseReason::left, {10}, secret()});
    stage.run(milliseconds(50));
    take_in(zoe, {6}, std::move(others));
    REQUIRE(anna->supernode() == zoe.id());
    stage.run(seconds(1));
  }

  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Hostile kate{stage, remote(4), 4};
  Hostile zoe{stage, remote(5), 5};
  Hostile elder{stage, remote(6), 6};
  Honest anna{stage, remote(1), 1, "anna"};
  RosterEntry anna_entry;
  bool begun_before = false;  // who leads next did not wait for Anna
};

}  // namespace

TEST_CASE_FIXTURE(Heirs,
                  "where a newcomer leads, the first of those who miss a node looks for it") {
  REQUIRE_FALSE(kate.is_called());  // Mallory looks for her
  SUBCASE("who is first") {
    hand_over({anna_entry});
    REQUIRE(kate.is_called());
    CHECK(kate.heard<Hello>().front().purpose == Purpose::meet);
  }
  SUBCASE("who is not") {
    hand_over({entry(elder, 1), anna_entry});
    CHECK_FALSE(kate.is_called());
  }
}

TEST_CASE("a member that closes without a goodbye is looked for, and no other") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, remote(2), 2};
  bert.join(anna.at());
  bool is_sought = false;
  mrt::CloseCode code{};
  SUBCASE("it gave its question up before it knew the answer") {
    code = mrt::CloseCode{0x100};
    is_sought = true;
  }
  SUBCASE("it follows another") {
    code = mrt::CloseCode{0x101};
    is_sought = true;
  }
  SUBCASE("it leaves") { code = mrt::CloseCode{0x103}; }
  SUBCASE("it says that a rule was broken") { code = mrt::CloseCode{0x104}; }
  bert.hang_up(code);
  bert.wait_for_call();
  stage.run(seconds(1));
  REQUIRE(bert.is_called() == is_sought);
  REQUIRE(anna->peers().size() == 1);
  if (is_sought) CHECK(bert.heard<Hello>().front().purpose == Purpose::meet);
}

TEST_CASE_FIXTURE(Heirs, "the supernode says whether a member came with the view's beginning") {
  SUBCASE("it did") {}
  SUBCASE("it is answered as one who joins, though it said what it holds") { begun_before = true; }
  hand_over({anna_entry});
  const auto seen = anna.told<Migrated>();
  REQUIRE(seen.size() == 1);
  CHECK(seen[0].by_itself == begun_before);
}

TEST_CASE("an answer to a question from another view does not lead on from this one") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, remote(2), 2};
  Hostile kate{stage, remote(4), 4};
  SUBCASE("from a view before") { anna->chat(stage.now(), {1}, "before"); }
  SUBCASE("from before all views") {}
  kate.wait_for_call();
  anna->join(stage.now(), {2}, {kate.at()}, secret());
  stage.run(milliseconds(100));
  REQUIRE(kate.heard<Hello>().size() == 1);
  const auto line = kate.heard<Hello>().back().line;
  const ViewMark first = line.empty() ? ViewMark{} : line.front();

  stage.run(seconds(1));  // so that whoever is below anna does not wait for her
  bert.call(anna.at());
  Hello star = bert.hello(Purpose::join);
  star.star_size = 2;
  bert.say(star);
  stage.run(milliseconds(100));
  REQUIRE(anna->epoch() == Epoch{2});
  const auto answer = [&](const ViewMark& asked_in) {
    kate.say(Welcome{{3},
                     kate.id(),
                     "anna",
                     anna.at(),
                     asked_in != ViewMark{},
                     {0},
                     secret(),
                     {},
                     {},
                     false,
                     asked_in});
    stage.run(milliseconds(200));
  };
  kate.say(kate.hello(Purpose::answer));
  answer(first);
  REQUIRE(kate.heard<Hello>().size() == 2);  // it asks again
  const ViewMark second = kate.heard<Hello>().back().line.at(0);
  REQUIRE(second.epoch == Epoch{2});
  answer(first);  // kate was slow, and that one is a third
  CHECK(anna->supernode() == anna->id());
  answer(second);
  CHECK(anna->supernode() == kate.id());
}
