// SPDX-License-Identifier: MIT
//
// How members come together (OVERLAY.md 4.5), and that nobody makes them send where nobody is.
#include <doctest/doctest.h>

#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

const mrt::Address elsewhere = mrt::Address::v4(203, 0, 113, 9, 7700);

/// Anna leads; Bert and Carl are members, each with an address that only his LAN knows.
struct Leader {
  explicit Leader(const mrt::Address& carls = remote(3)) : carl(stage, carls, 3) {
    come(bert, {mrt::Address::v4(192, 168, 1, 2, 7700), elsewhere});
    come(carl, {mrt::Address::v4(192, 168, 1, 3, 7700)});
  }
  void come(Hostile& who, std::vector<mrt::Address> addresses) {
    who.call(anna.at());
    Hello hello = who.hello(Purpose::join);
    hello.addresses = std::move(addresses);
    who.say(hello);
    stage.run(milliseconds(200));
    REQUIRE(who.heard<Ready>().size() == 1);
  }

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile bert{stage, remote(2), 2};
  Hostile carl;
};

/// Mallory leads; Anna is a member, and Kate the first successor, seen where nobody answers.
struct Led {
  explicit Led(bool behind_nat = false, const mrt::Address& annas = remote(1)) : at(annas) {
    mallory.wait_for_call();
    anna->join(stage.now(), {1}, {mallory.at()}, secret());
    stage.run(milliseconds(100));
    const Hello hello = mallory.heard<Hello>().at(0);
    kates.nick = "kate";
    kates.rank = 1;
    kates.addresses = {elsewhere, mrt::Address::v4(192, 168, 7, 7, 7700)};
    kates.behind_nat = behind_nat;
    mallory.say(mallory.hello(Purpose::answer));
    mallory.say(Welcome{{5}, mallory.id(), "anna", at, false, {10}, secret()});
    const RosterEntry annas_entry{hello.node, hello.incarnation, "anna", {at}, 2, 0, hello.key};
    mallory.say(RosterUpdate{
        {5}, mallory.id(), {1}, true, true, {mallory.entry(), annas_entry, kates}, {}});
    mallory.say(StandingOffers{true, {}});
    mallory.say(Ready{{5}, {10}});
    stage.run(milliseconds(20));
    REQUIRE(anna->role() == Role::member);
  }
  Peer kate_seen() {
    for (const Peer& peer : anna->peers()) {
      if (peer.nick == "kate") return peer;
    }
    return {};
  }

  mrt::Address at;
  Stage stage;
  Hostile mallory{stage, remote(3), 3};
  Hostile kate{stage, remote(4), 4};
  Honest anna{stage, remote(1), 1, "anna"};
  RosterEntry kates = kate.entry();
};

}  // namespace

TEST_CASE("a supernode tells two where it sees each, and nothing else") {
  Leader star;
  star.bert.say(Introduce{star.carl.id(), {}});
  star.stage.run(milliseconds(50));
  REQUIRE(star.bert.heard<Introduce>().size() == 1);
  REQUIRE(star.carl.heard<Introduce>().size() == 1);
  CHECK(star.bert.heard<Introduce>()[0].node == star.carl.id());
  CHECK(star.bert.heard<Introduce>()[0].addresses == std::vector{star.carl.at()});
  CHECK(star.carl.heard<Introduce>()[0].node == star.bert.id());
  CHECK(star.carl.heard<Introduce>()[0].addresses == std::vector{star.bert.at()});
}

TEST_CASE("behind one address two are told their private ones too") {
  Leader star(mrt::Address::v4(10, 0, 0, 2, 7701));
  star.bert.say(Introduce{star.carl.id(), {}});
  star.stage.run(milliseconds(50));
  CHECK(star.bert.heard<Introduce>().at(0).addresses ==
        std::vector{star.carl.at(), mrt::Address::v4(192, 168, 1, 3, 7700)});
  // What is no private address may be somebody else's.
  CHECK(star.carl.heard<Introduce>().at(0).addresses ==
        std::vector{star.bert.at(), mrt::Address::v4(192, 168, 1, 2, 7700)});
}

TEST_CASE("nobody is introduced to himself or a stranger, and none too often") {
  Leader star;
  Hostile zoe{star.stage, remote(9), 9};
  star.bert.say(Introduce{star.bert.id(), {}});
  star.bert.say(Introduce{zoe.id(), {}});
  star.bert.say(Introduce{star.anna->id(), {}});
  star.stage.run(milliseconds(50));
  CHECK(star.bert.heard<Introduce>().empty());
  for (int i = 0; i < 200; ++i) star.bert.say(Introduce{star.carl.id(), {}});
  star.stage.run(milliseconds(50));
  CHECK(star.carl.heard<Introduce>().size() <= 50);
  CHECK(star.carl.heard<Introduce>().size() >= 40);
  CHECK(!star.bert.line().closed);
}

TEST_CASE("who is sent to a supernode is let in, by few packets and not to loopback") {
  Leader star;
  Hostile zoe{star.stage, remote(9), 9};
  star.bert.say(Introduce{zoe.id(), {elsewhere}});
  star.bert.say(Introduce{zoe.id(), {local(7700)}});
  star.stage.run(milliseconds(50));
  CHECK(star.stage.sent_to(elsewhere) == 3);
  CHECK(star.stage.sent_to(local(7700)) == 0);
  for (int i = 0; i < 200; ++i) star.bert.say(Introduce{zoe.id(), {elsewhere}});
  star.stage.run(milliseconds(50));
  CHECK(star.stage.sent_to(elsewhere) <= 3 * 52);
}

TEST_CASE("a successor that answers no call is asked for; one behind a NAT at once") {
  for (const bool behind_nat : {false, true}) {
    CAPTURE(behind_nat);
    Led star(behind_nat);
    CHECK(star.stage.sent_to(elsewhere) == 1);
    CHECK(star.mallory.heard<Introduce>().size() == (behind_nat ? 1 : 0));
    star.stage.run(milliseconds(350));
    REQUIRE(star.mallory.heard<Introduce>().size() == 1);
    CHECK(star.mallory.heard<Introduce>()[0].node == star.kate.id());
    CHECK(star.mallory.heard<Introduce>()[0].addresses.empty());
  }
}

TEST_CASE("another's private address is called only where it may be in this LAN") {
  CHECK(Led().stage.sent_to(mrt::Address::v4(192, 168, 7, 7, 7700)) == 0);
  Led behind_the_same(false, {elsewhere.ip, 5000});
  CHECK(behind_the_same.stage.sent_to(mrt::Address::v4(192, 168, 7, 7, 7700)) > 0);
  // Which is nearer, and gets a head start.
  CHECK(behind_the_same.stage.sent_to(elsewhere) == 0);
  behind_the_same.stage.run(milliseconds(150));
  CHECK(behind_the_same.stage.sent_to(elsewhere) > 0);
}

TEST_CASE_FIXTURE(Led, "whom the supernode introduces is called, and only by its word") {
  const mrt::Address moved = mrt::Address::v4(203, 0, 113, 9, 7800);
  kate.call(anna.at());
  kate.say(kate.hello(Purpose::warm));
  kate.say(Introduce{kate.id(), {moved}});
  mallory.say(Introduce{Hostile(stage, remote(8), 8).id(), {moved}});  // who is not here
  stage.run(milliseconds(50));
  CHECK(stage.sent_to(moved) == 0);
  // There is a connection: a new address of its other end is let in.
  mallory.say(Introduce{kate.id(), {moved}});
  stage.run(milliseconds(50));
  CHECK(stage.sent_to(moved) == 3);
  kate.hang_up(mrt::CloseCode{0x100});
  stage.run(milliseconds(50));
  const mrt::Address third = mrt::Address::v4(203, 0, 113, 9, 7900);
  mallory.say(Introduce{kate.id(), {third}});
  stage.run(milliseconds(50));
  CHECK(stage.sent_to(third) > 0);
}

TEST_CASE_FIXTURE(Led, "a supernode makes nobody send without end") {
  for (uint16_t port = 1; port <= 2'000; ++port) {
    mallory.say(Introduce{kate.id(), {mrt::Address::v4(198, 51, 100, 1, port)}});
  }
  stage.run(milliseconds(500));
  size_t called = 0;
  for (uint16_t port = 1; port <= 2'000; ++port) {
    called += stage.sent_to(mrt::Address::v4(198, 51, 100, 1, port)) > 0 ? 1 : 0;
  }
  CHECK(called > 100);
  CHECK(called <= 512 + 50);
}

TEST_CASE_FIXTURE(Led, "a stranger that comes again is announced to the supernode") {
  Hostile zoe{stage, remote(9), 9};
  zoe.call(anna.at());
  mallory.line().heard.clear();
  zoe.say(zoe.hello(Purpose::join));
  stage.run(milliseconds(50));
  REQUIRE(zoe.heard<Redirect>().size() == 1);
  const auto announced = [&] {
    for (const Introduce& one : mallory.heard<Introduce>()) {
      if (one.node == zoe.id()) return one.addresses == std::vector{zoe.at()};
    }
    return false;
  };
  CHECK(!announced());
  zoe.say(zoe.hello(Purpose::join));
  stage.run(milliseconds(50));
  CHECK(announced());
}

TEST_CASE_FIXTURE(Led, "P says why a successor is not reached") {
  CHECK(kate_seen().path == PathKind::relayed);
  CHECK(kate_seen().relayed == RelayReason::connecting);
  stage.run(seconds(5));
  CHECK(kate_seen().relayed == RelayReason::no_answer);
  kates.symmetric = true;
  mallory.say(RosterUpdate{{5}, mallory.id(), {2}, false, true, {kates}, {}});
  stage.run(milliseconds(50));
  CHECK(kate_seen().relayed == RelayReason::symmetric_nat);
  kate.call(anna.at());
  kate.say(kate.hello(Purpose::warm));
  stage.run(milliseconds(50));
  CHECK(kate_seen().path == PathKind::direct);
  CHECK(kate_seen().relayed == RelayReason::none);
}

TEST_CASE_FIXTURE(Led,
                  "a path that becomes direct or relayed again is told, of many at once a second") {
  stage.run(seconds(1));
  const auto told_path = [&] {
    const auto told = anna.told<RosterChanged>();
    if (told.empty()) return std::string("nothing");
    const auto& peers = told.back().peers;
    const auto shown =
        std::ranges::find_if(peers, [](const Peer& one) { return one.nick == "kate"; });
    return std::string(to_text(shown->path));
  };
  for (const char* path : {"direct", "relayed"}) {
    anna.forget();
    if (path == std::string("direct")) {
      kate.call(anna.at());
      kate.say(kate.hello(Purpose::warm));
    } else {
      kate.hang_up(mrt::CloseCode{0x100});
    }
    stage.run(milliseconds(1'100));
    CHECK(told_path() == path);
  }
  anna.forget();
  for (int i = 0; i < 10; ++i) {
    kate.call(anna.at());
    kate.say(kate.hello(Purpose::warm));
    stage.run(milliseconds(100));
    kate.hang_up(mrt::CloseCode{0x100});
    stage.run(milliseconds(100));
  }
  CHECK(anna.told<RosterChanged>().size() <= 3);
}

TEST_CASE("who has a public address is next before those behind NATs, who were here first") {
  Leader star(mrt::Address::v4(203, 0, 113, 3, 7700));
  Hostile dora{star.stage, mrt::Address::v4(203, 0, 113, 4, 7700), 4};
  star.come(dora, {dora.at()});
  star.stage.run(milliseconds(300));
  for (Hostile* one : {&star.bert, &star.carl, &dora}) one->lag({});
  for (const Peer& peer : star.anna->peers()) {
    if (peer.rank == 1) CHECK(peer.node == dora.id());
  }
}

TEST_CASE("all hear who would be cut off from the first successor") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile carl{stage, remote(3), 3};
  Hostile dora{stage, remote(4), 4};
  Hostile emil{stage, remote(5), 5};
  for (Hostile* one : {&carl, &dora, &emil}) {
    one->join(anna.at());
    stage.run(milliseconds(300));
  }
  const auto is_cut_off = [&] {
    for (const Peer& peer : anna->peers()) {
      if (peer.node == dora.id()) return peer.cut_off;
    }
    return false;
  };
  CHECK(!is_cut_off());
  dora.miss({carl.id()});
  stage.run(milliseconds(300));
  CHECK(is_cut_off());
  const auto told = emil.heard<RosterUpdate>().back().entries;
  CHECK(std::ranges::any_of(
      told, [&](const RosterEntry& e) { return e.node == dora.id() && e.cut_off; }));
  dora.miss({});
  stage.run(milliseconds(300));
  CHECK(!is_cut_off());
}
