// SPDX-License-Identifier: MIT
#include "node/sim/checker.h"

#include <doctest/doctest.h>

using namespace std::chrono_literals;
using mrt::Instant;
using node::sim::Checker;
using node::sim::Heard;
using node::sim::Life;
using node::sim::OfferSeen;
using node::sim::Standing;

namespace {

constexpr Life ann{0};
constexpr Life bob{1};
constexpr Life eve{2};
constexpr Instant now = Instant{} + 1s;

/// Three nodes in a's star, epoch 1, and two messages of ann's.
struct Stage {
  Stage() {
    const std::string names[] = {"a", "b", "e"};
    for (const Life life : {ann, bob, eve}) {
      checker.on_start(life, names[life.value]);
      checker.on_view(Instant{}, life, 1, ann);
      for (const auto& name : names) {
        if (name != names[life.value]) checker.on_peer_joined(Instant{}, life, name);
      }
    }
    checker.on_said(now, ann, 1, "one");
    checker.on_said(now, ann, 2, "two");
  }
  /// ann's message of that number, at a place of epoch 1 or another.
  static Heard message(uint64_t number, uint64_t seq, uint64_t epoch = 1) {
    return {"a", 77, number, epoch, seq, number == 1 ? "one" : "two", false};
  }
  void hear(Life life, const Heard& heard) { checker.on_heard(now, life, heard); }
  bool has_failed(const std::string& with) const {
    return checker.violation() && checker.violation()->what.find(with) != std::string::npos;
  }
  std::vector<Standing> standing() const {
    std::vector<Standing> all;
    for (const Life life : {ann, bob, eve}) {
      all.push_back({life, life == ann, 1, "a", {"a", "b", "e"}, {}});
    }
    return all;
  }
  void all_hear() {
    for (const Life life : {ann, bob, eve}) {
      hear(life, message(1, 1));
      hear(life, message(2, 2));
    }
  }

  Checker checker;
};

const mrt::Bytes original{1, 2, 3};
const OfferSeen offer{"x.bin", 3, "hash", "b"};

}  // namespace

TEST_CASE("a run that keeps the rules has no violation and settles") {
  Stage stage;
  stage.all_hear();
  stage.checker.check_agreement(now);
  CHECK_FALSE(stage.checker.violation());
  CHECK_FALSE(stage.checker.unsettled(stage.standing()));
  CHECK(stage.checker.heard_count() == 6);
}

TEST_CASE("what is heard twice, out of its sender's order or of the places' is caught") {
  Stage twice;
  twice.hear(bob, Stage::message(1, 1));
  twice.hear(bob, Stage::message(1, 2));
  CHECK(twice.has_failed("twice"));

  Stage order;
  order.hear(bob, Stage::message(2, 1));
  order.hear(bob, Stage::message(1, 2));
  CHECK(order.has_failed("number 1"));

  Stage place;
  place.hear(bob, Stage::message(1, 2));
  place.hear(bob, Stage::message(2, 2));
  CHECK(place.has_failed("after (1, 2)"));
}

TEST_CASE("what nobody said is caught, by its text, its number or its incarnation") {
  for (const int wrong : {0, 1, 2}) {
    Stage stage;
    stage.hear(bob, Stage::message(1, 1));
    Heard heard = Stage::message(2, 2);
    if (wrong == 0) heard.text = "three";
    if (wrong == 1) heard.number = 3;
    if (wrong == 2) heard.incarnation = 78;
    stage.hear(bob, heard);
    CHECK(stage.has_failed("nobody said"));
  }
}

TEST_CASE("one place with two messages is caught, unless they are two sides' places") {
  Stage one;
  one.hear(bob, Stage::message(1, 5));
  one.hear(eve, Stage::message(2, 5));
  CHECK(one.has_failed("where others heard"));

  Stage sides;
  sides.checker.on_view(now, bob, 2, bob);
  sides.checker.on_view(now, eve, 2, eve);
  sides.hear(bob, Stage::message(1, 5, 2));
  sides.hear(eve, Stage::message(2, 5, 2));
  CHECK_FALSE(sides.checker.violation());

  Stage lives;  // of one supernode that starts again
  lives.checker.on_view(now, bob, 2, bob);
  lives.hear(bob, Stage::message(1, 5, 2));
  const Life again{3};
  lives.checker.on_start(again, "b");
  lives.checker.on_view(now, again, 2, again);
  lives.hear(again, Stage::message(2, 5, 2));
  lives.checker.on_view(now, eve, 2, bob);  // it was frozen, and reads what bob's first life sent
  lives.hear(eve, Stage::message(1, 5, 2));
  CHECK_FALSE(lives.checker.violation());
  lives.checker.on_view(now, ann, 2, again);
  lives.hear(ann, Stage::message(1, 5, 2));
  CHECK(lives.has_failed("where others heard"));
}

TEST_CASE("an epoch that falls is caught") {
  Stage stage;
  stage.checker.on_view(now, bob, 3, bob);
  stage.checker.on_view(now, bob, 2, ann);
  CHECK(stage.has_failed("fell back"));
}

TEST_CASE("lives that pass together to the next view must have heard the same in the first") {
  for (const bool merges : {false, true}) {
    Stage stage;
    stage.checker.on_roster(bob, 2, {"b", "e"});
    stage.hear(bob, Stage::message(1, 1));
    stage.hear(bob, Stage::message(2, 2));
    stage.hear(eve, Stage::message(1, 1));
    for (const Life life : {bob, eve}) {
      stage.checker.on_view(now, life, 2, bob);
      stage.checker.on_migrated(life, 2, !merges || life == bob);
    }
    CHECK_FALSE(stage.checker.violation());
    stage.checker.check_agreement(now);
    CHECK(stage.has_failed("together") == !merges);
  }
}

TEST_CASE("who comes into the next view late does not pass into it with the others") {
  Stage stage;
  stage.checker.on_roster(bob, 2, {"a", "b"});
  stage.checker.on_roster(bob, 2, {"a", "b", "e"});  // later
  stage.hear(bob, Stage::message(1, 1));
  stage.hear(eve, Stage::message(1, 1));
  stage.hear(eve, Stage::message(2, 2));  // of ann, whom only eve still heard
  for (const Life life : {bob, eve}) {
    stage.checker.on_view(now, life, 2, bob);
    stage.checker.on_migrated(life, 2, true);
  }
  stage.checker.check_agreement(now);
  CHECK_FALSE(stage.checker.violation());
}

TEST_CASE("who came into a view late is spared what it had heard before, and nothing else") {
  for (const bool misses : {false, true}) {
    Stage stage;
    stage.checker.on_roster(bob, 2, {"b"});
    stage.checker.on_roster(bob, 3, {"b", "e"});
    stage.checker.on_said(now, ann, 3, "three");
    stage.checker.on_said(now, ann, 4, "four");
    stage.hear(eve, Stage::message(1, 1));  // on the side that it was on
    for (const Life life : {bob, eve}) {
      stage.checker.on_view(now, life, 2, bob);
      if (life == bob) stage.hear(life, Stage::message(1, 1, 2));
      stage.hear(life, Stage::message(2, 2, 2));
      if (life == bob || !misses) stage.hear(life, {"a", 77, 3, 2, 3, "three", false});
      stage.hear(life, {"a", 77, 4, 2, 4, "four", false});
      stage.checker.on_view(now, life, 3, bob);
      stage.checker.on_migrated(life, 3, true);
    }
    CHECK_FALSE(stage.checker.violation());
    stage.checker.check_agreement(now);
    CHECK(stage.has_failed("together") == misses);
  }
}

TEST_CASE("what one had heard on its side before need not be heard again with the others") {
  for (const bool before : {false, true}) {
    Stage stage;
    stage.checker.on_roster(ann, 2, {"a", "b", "e"});
    stage.checker.on_roster(bob, 3, {"b", "e"});
    if (before) stage.hear(bob, Stage::message(1, 7));
    for (const Life life : {bob, eve}) stage.checker.on_view(now, life, 2, ann);
    stage.hear(eve, Stage::message(1, 8, 2));
    for (const Life life : {bob, eve}) {
      stage.checker.on_view(now, life, 3, bob);
      stage.checker.on_migrated(life, 3, true);
    }
    stage.checker.check_agreement(now);
    CHECK(stage.has_failed("together") == !before);
  }
}

TEST_CASE("who joined in the middle of a view need not have heard its beginning") {
  Stage stage;
  stage.checker.on_roster(bob, 2, {"b", "n"});
  const Life newcomer{3};
  stage.checker.on_start(newcomer, "n");
  stage.hear(bob, Stage::message(1, 1));
  stage.hear(bob, Stage::message(2, 2));
  stage.checker.on_view(now, newcomer, 1, ann);
  stage.hear(newcomer, Stage::message(2, 2));
  for (const Life life : {bob, newcomer}) {
    stage.checker.on_view(now, life, 2, bob);
    stage.checker.on_migrated(life, 2, true);
  }
  stage.checker.check_agreement(now);
  CHECK_FALSE(stage.checker.violation());
}

TEST_CASE("peers and offers come before they go, and come once") {
  Stage peer;
  peer.checker.on_peer_joined(now, bob, "a");
  CHECK(peer.has_failed("join twice"));
  Stage ghost;
  ghost.checker.on_peer_left(now, bob, "x");
  CHECK(ghost.has_failed("had not joined"));
  Stage again;
  again.checker.on_offered(now, ann, offer);
  again.checker.on_offered(now, ann, offer);
  CHECK(again.has_failed("told twice"));
  Stage never;
  never.checker.on_withdrawn(now, ann, offer);
  CHECK(never.has_failed("never that it was offered"));
}

TEST_CASE("received bytes must be those that somebody holds, and asked for") {
  Stage stage;
  stage.checker.on_file("x.bin", &original);
  stage.checker.on_download(ann, "x.bin");
  stage.checker.on_received(now, ann, "x.bin", &original);
  CHECK_FALSE(stage.checker.violation());
  stage.checker.on_received(now, ann, "x.bin", &original);
  CHECK(stage.has_failed("not asked for"));

  const mrt::Bytes other{1, 2, 4};
  for (const mrt::Bytes* wrong : {&other, static_cast<const mrt::Bytes*>(nullptr)}) {
    Stage bad;
    bad.checker.on_file("x.bin", &original);
    bad.checker.on_download(ann, "x.bin");
    bad.checker.on_received(now, ann, "x.bin", wrong);
    CHECK(bad.has_failed("nobody holds"));
  }
}

TEST_CASE("unsettled: two supernodes, none, another epoch, another roster") {
  Stage stage;
  stage.all_hear();
  auto two = stage.standing();
  two[1].is_supernode = true;
  CHECK(stage.checker.unsettled(two));
  auto none = stage.standing();
  none[0].is_supernode = false;
  CHECK(stage.checker.unsettled(none));
  auto epoch = stage.standing();
  epoch[2].epoch = 2;
  CHECK(stage.checker.unsettled(epoch));
  auto roster = stage.standing();
  roster[2].roster.erase("b");
  CHECK(stage.checker.unsettled(roster));
  auto gone = stage.standing();
  gone.pop_back();
  CHECK(stage.checker.unsettled(gone));
}

TEST_CASE("unsettled: an offer of a node that is gone, a missing one, a waiting download") {
  Stage stage;
  stage.all_hear();
  auto all = stage.standing();
  for (Standing& one : all) {
    stage.checker.on_offered(now, one.life, offer);
    one.offers.insert(offer);
  }
  CHECK_FALSE(stage.checker.unsettled(all));
  stage.checker.on_download(eve, "x.bin");
  CHECK(stage.checker.unsettled(all));
  stage.checker.on_download_failed(now, eve, "x.bin", "not found", true);
  CHECK_FALSE(stage.checker.unsettled(all));
  stage.checker.on_withdrawn(now, bob, offer);
  CHECK(stage.checker.unsettled(all));
}

TEST_CASE("unsettled: a survivor's message that nobody has heard, whatever gap was told") {
  Stage stage;
  stage.all_hear();
  stage.checker.on_said(now, bob, 1, "three");
  CHECK(stage.checker.unsettled(stage.standing()));
  for (const Life life : {ann, bob, eve}) stage.checker.on_gap(now, life, 1);
  CHECK(stage.checker.unsettled(stage.standing()));
}

TEST_CASE("what was said in another star is not owed before the two are one") {
  Stage stage;
  const Life far{3};
  stage.checker.on_start(far, "f");
  stage.checker.on_view(now, far, 1, far);
  stage.all_hear();
  stage.checker.on_view(now + 1s, far, 2, ann);
  auto all = stage.standing();
  all.push_back({far, false, 2, "a", {}, {}});
  for (Standing& one : all) {
    one.epoch = 2;
    one.roster = {"a", "b", "e", "f"};
    for (const std::string name : {"a", "b", "e", "f"}) {
      const bool is_new = one.life == far || name == "f";
      if (name != (one.life == far ? "f" : std::string(1, "abe"[one.life.value])) && is_new) {
        stage.checker.on_peer_joined(now, one.life, name);
      }
    }
  }
  CHECK_FALSE(stage.checker.unsettled(all));
  stage.checker.on_said(now + 2s, ann, 3, "three");
  for (const Life life : {ann, bob, eve}) {
    stage.checker.on_heard(now + 2s, life, {"a", 77, 3, 2, 3, "three", false});
  }
  CHECK(stage.checker.unsettled(all));
}

TEST_CASE("unsettled: what one survivor heard of a dead sender, and another did not") {
  Stage stage;
  auto living = stage.standing();
  living.erase(living.begin());  // ann is dead; nobody heard her
  for (Standing& one : living) {
    one.is_supernode = one.life == bob;
    one.epoch = 2;
    one.supernode = "b";
    one.roster = {"b", "e"};
    stage.checker.on_view(now, one.life, 2, bob);
    stage.checker.on_peer_left(now, one.life, "a");
  }
  CHECK_FALSE(stage.checker.unsettled(living));
  stage.hear(bob, Stage::message(1, 3));
  CHECK(stage.checker.unsettled(living));
  stage.hear(eve, Stage::message(1, 3));
  CHECK_FALSE(stage.checker.unsettled(living));
}

TEST_CASE("a gap excuses what was said before it, lay before what came next, and was counted") {
  // ann and bob hear one to four; eve is told of one missing message, and goes on at `next`.
  const auto misses = [](uint64_t next, mrt::Duration told_at) {
    Stage stage;
    stage.checker.on_said(now, ann, 3, "three");
    stage.checker.on_said(now + 1s, ann, 4, "four");
    const auto message = [](uint64_t number) {
      const char* texts[] = {"", "one", "two", "three", "four"};
      return Heard{"a", 77, number, 1, number, texts[number], false};
    };
    for (const Life life : {bob, ann}) {
      for (uint64_t number = 1; number <= 4; ++number) {
        stage.checker.on_heard(now + 1s, life, message(number));
      }
    }
    stage.hear(eve, message(1));
    stage.checker.on_gap(now + told_at, eve, 1);
    for (uint64_t number = next; number <= 4; ++number) {
      stage.checker.on_heard(now + 2s, eve, message(number));
    }
    CHECK_FALSE(stage.checker.violation());
    return stage.checker.unsettled(stage.standing()).has_value();
  };
  CHECK_FALSE(misses(3, 0ms));  // two: counted
  CHECK(misses(4, 0ms));        // two and three, and one was told
  CHECK(misses(3, -1ms));       // told before two was said
  CHECK_FALSE(misses(2, 0ms));
}

TEST_CASE("a supernode that hears what none of its members has is caught, unless it stays alone") {
  for (const bool alone : {false, true}) {
    Stage stage;
    stage.hear(ann, Stage::message(1, 1));
    if (alone) {
      for (const char* peer : {"b", "e"}) stage.checker.on_peer_left(now, ann, peer);
    }
    CHECK_FALSE(stage.checker.violation());  // at that instant it may yet turn out
    stage.checker.on_heard(now + 1ms, ann, Stage::message(2, 2));
    CHECK(stage.has_failed("before any of them") == !alone);
  }
  Stage again;  // it was alone, and somebody comes in the same instant
  again.hear(ann, Stage::message(1, 1));
  for (const char* peer : {"b", "e"}) again.checker.on_peer_left(now, ann, peer);
  again.checker.on_roster(ann, 1, {"a"});
  again.checker.on_peer_joined(now, ann, "b");
  again.checker.on_heard(now + 1ms, ann, Stage::message(2, 2));
  CHECK_FALSE(again.checker.violation());
  Stage begins;  // it begins a view, and all get it there
  begins.hear(ann, Stage::message(1, 1));
  begins.checker.on_view(now, ann, 2, ann);
  begins.checker.on_heard(now + 1ms, bob, Stage::message(1, 1));
  CHECK_FALSE(begins.checker.violation());
  Stage kept;  // by a newcomer, who is told nothing of it and leaves in the same instant
  constexpr Life newcomer{3};
  kept.checker.on_start(newcomer, "n");
  kept.checker.on_peer_joined(now, ann, "n");
  kept.hear(ann, Stage::message(1, 1));
  kept.checker.on_peer_left(now, ann, "n");
  kept.checker.on_heard(now + 1ms, bob, Stage::message(2, 2));
  CHECK_FALSE(kept.checker.violation());
  Stage member;  // whose supernode will deliver later
  member.hear(bob, Stage::message(1, 1));
  member.checker.on_heard(now + 1ms, bob, Stage::message(2, 2));
  CHECK_FALSE(member.checker.violation());
}

TEST_CASE("what a sender is told to be safe two have heard, or one who is alone") {
  Stage stage;
  stage.hear(bob, Stage::message(1, 1));
  stage.hear(ann, Stage::message(1, 1));
  stage.checker.on_safe(now, ann, 1);
  stage.checker.on_safe(now, ann, 9);  // an offer's number
  CHECK_FALSE(stage.checker.violation());
  stage.hear(ann, Stage::message(2, 2));
  stage.checker.on_safe(now, ann, 2);
  CHECK(stage.has_failed("is safe, which 1 heard"));

  Stage alone;
  for (const char* peer : {"b", "e"}) alone.checker.on_peer_left(now, ann, peer);
  alone.hear(ann, Stage::message(1, 1));
  alone.checker.on_safe(now, ann, 1);
  CHECK_FALSE(alone.checker.violation());
}

TEST_CASE("where all move on together, nobody is told more of the view that they left") {
  for (const bool one_line : {false, true}) {
    Stage stage;
    if (one_line) stage.checker.expect_one_line();
    stage.checker.on_roster(bob, 2, {"b", "e"});
    for (const Life life : {bob, eve}) {
      stage.hear(life, Stage::message(1, 1));
      stage.checker.on_view(now, life, 2, bob);
      stage.checker.on_migrated(life, 2, true);
    }
    stage.hear(ann, Stage::message(1, 1));
    stage.checker.check_agreement(now);
    CHECK_FALSE(stage.checker.violation());
    for (const char* peer : {"b", "e"}) stage.checker.on_peer_left(now, ann, peer);
    stage.hear(ann, Stage::message(2, 2));  // it was frozen, and goes on as if nothing had been
    stage.checker.check_agreement(now);
    CHECK(stage.has_failed("it went on without") == one_line);
  }
}

TEST_CASE("unsettled: other nicks or ranks than the supernode's") {
  Stage stage;
  stage.all_hear();
  auto all = stage.standing();
  for (Standing& one : all) one.succession = {{"a", "ann"}, {"b", "bob"}, {"e", "eve"}};
  CHECK_FALSE(stage.checker.unsettled(all));
  std::swap(all[2].succession[1], all[2].succession[2]);
  CHECK(stage.checker.unsettled(all));
  all[2].succession = {{"a", "ann"}, {"b", "bob"}, {"e", "eve-2"}};
  CHECK(stage.checker.unsettled(all));
}
