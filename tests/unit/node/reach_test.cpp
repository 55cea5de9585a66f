// SPDX-License-Identifier: MIT
//
// Where the roster says that each node is reached, and who says so (OVERLAY.md 4.9).
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Addresses = std::vector<mrt::Address>;

namespace {

const mrt::Address lan = mrt::Address::v4(192, 168, 1, 2, 7700);
const mrt::Address moved = mrt::Address::v4(192, 168, 7, 2, 7700);
const mrt::Address outer = mrt::Address::v4(203, 0, 113, 2, 40'000);
const mrt::Address mapped = mrt::Address::v4(203, 0, 113, 2, 7700);

/// Anna leads, Bert is a member seen at `outer`, Carl one who listens.
struct Led {
  Led() {
    bert.call(anna.at());
    Hello hello = bert.hello(Purpose::join);
    hello.addresses = {lan};
    bert.say(hello);
    stage.run(milliseconds(200));
    carl.join(anna.at());
    stage.run(milliseconds(200));
  }
  /// What Carl was told of him last.
  RosterEntry bert_told() {
    RosterEntry out;
    for (const RosterUpdate& update : carl.heard<RosterUpdate>()) {
      for (const RosterEntry& entry : update.entries) {
        if (entry.node == bert.id()) out = entry;
      }
    }
    return out;
  }
  void say(const Reachable& reach) {
    bert.say(reach);
    stage.run(milliseconds(200));
  }

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, outer, 2};
  Hostile carl{stage, remote(3), 3};
};

}  // namespace

TEST_CASE_FIXTURE(Led, "where a member says that it is reached now, all are told") {
  CHECK(bert_told().addresses == Addresses{outer, lan});
  CHECK(bert_told().behind_nat);
  say({{moved}});
  CHECK(bert_told().addresses == Addresses{outer, moved});
  // What STUN servers see comes last: its NAT may let nobody in there.
  say({{moved}, {{mapped.ip, 41'000}}, true});
  CHECK(bert_told().addresses == Addresses{outer, moved, {mapped.ip, 41'000}});
  CHECK(bert_told().symmetric);
  CHECK(bert_told().behind_nat);
}

TEST_CASE_FIXTURE(Led, "a port that the gateway leads to a member comes first") {
  say({{lan, mapped}});
  CHECK(bert_told().addresses == Addresses{mapped, outer, lan});
  CHECK(!bert_told().behind_nat);
  // Not so one of another host: that may be anybody's.
  say({{lan, {mrt::Address::v4(203, 0, 113, 77, 7700)}}});
  CHECK(bert_told().addresses.front() == outer);
  CHECK(bert_told().behind_nat);
}

TEST_CASE_FIXTURE(Led,
                  "who says every moment that it is reached elsewhere makes no roster for each") {
  const size_t before = carl.heard<RosterUpdate>().size();
  for (uint16_t port = 1; port <= 500; ++port) {
    bert.say(Reachable{{{lan.ip, port}}});
    stage.run(milliseconds(2));
  }
  stage.run(milliseconds(200));
  CHECK(carl.heard<RosterUpdate>().size() - before <= 8);
  CHECK(!bert.line().closed);
}

TEST_CASE("a member tells its supernode where it is reached now, and that only when it is news") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Honest bert{stage, remote(2), 2, "bert"};
  Hostile carl{stage, remote(3), 3};
  REQUIRE(bert.join(anna.at()));
  carl.join(anna.at());
  stage.run(seconds(3));
  carl.line().heard.clear();
  const auto of = [&](const NodeId& node) {
    Addresses out;
    for (const RosterUpdate& update : carl.heard<RosterUpdate>()) {
      for (const RosterEntry& entry : update.entries) {
        if (entry.node == node) out = entry.addresses;
      }
    }
    return out;
  };
  bert->set_addresses(stage.now(), {remote(2), lan});
  anna->set_addresses(stage.now(), {moved, remote(1)});
  stage.run(milliseconds(200));
  CHECK(of(bert->id()) == Addresses{remote(2), lan});
  CHECK(of(anna->id()) == Addresses{moved, remote(1)});
  carl.line().heard.clear();
  bert->set_addresses(stage.now(), {remote(2), lan});
  stage.run(seconds(5));
  CHECK(of(bert->id()).empty());
  // However often its addresses change, and in the end it is the last ones that are known.
  for (uint16_t port = 1; port <= 100; ++port) {
    bert->set_addresses(stage.now(), {remote(2), {lan.ip, port}});
    stage.run(milliseconds(50));
  }
  stage.run(seconds(3));
  CHECK(of(bert->id()) == Addresses{remote(2), {lan.ip, 100}});
}

TEST_CASE("who was told elsewhere tells the next supernode too") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Honest bert{stage, remote(2), 2, "bert"};
  Honest carl{stage, remote(3), 3, "carl"};
  REQUIRE(bert.join(anna.at()));
  REQUIRE(carl.join(anna.at()));
  stage.run(seconds(3));
  carl->set_addresses(stage.now(), {remote(3), lan});
  stage.run(seconds(3));
  anna->hand_over(stage.now(), {1}, "bert");
  stage.run(seconds(5));
  REQUIRE(bert->role() == Role::supernode);
  Hostile dora{stage, remote(4), 4};
  dora.join(bert.at());
  stage.run(milliseconds(300));
  Addresses told;
  for (const RosterUpdate& update : dora.heard<RosterUpdate>()) {
    for (const RosterEntry& entry : update.entries) {
      if (entry.node == carl->id()) told = entry.addresses;
    }
  }
  CHECK(told == Addresses{remote(3), lan});
}
