// SPDX-License-Identifier: MIT
//
// What a member carries from elsewhere, and what its supernode makes of it (OVERLAY.md 3.8, 7.1).
#include <doctest/doctest.h>

#include "node/broadcast_proof.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;

namespace {

/// Anna's star; her successor keeps to itself what it holds, so that nothing becomes stable.
struct Carrying {
  Carrying() {
    successor.join(anna.at());
    carrier.call(anna.at());
    Hello hello = carrier.hello(Purpose::join);
    hello.line = {{{1}, carrier.id(), carrier.life(), {9}}};
    carrier.say(hello);
    stage.run(milliseconds(200));
    REQUIRE(carrier.heard<Ready>().size() == 1);
  }
  /// What absent said elsewhere, for the first time.
  void carry(BroadcastKind kind, mrt::Bytes body) {
    Publish said{absent.life(), 1, kind, std::move(body), {}};
    said.signature = sign_broadcast({absent.identity(), "stage"}, said);
    const MessageId id{absent.id(), said.incarnation, said.number};
    const mrt::PublicKey key = absent.identity().public_key();
    carrier.say(Carried{{{{1}, {1}}, id, "x", kind, said.body, key, said.signature}});
    stage.run(milliseconds(200));
  }

  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Hostile successor{stage, remote(2), 2};
  Hostile carrier{stage, remote(3), 3};
  Hostile absent{stage, remote(4), 4};
};

}  // namespace

TEST_CASE_FIXTURE(Carrying,
                  "an offer that others carried here does not stand when its node comes") {
  carry(BroadcastKind::offer, encode_offer({"x.txt", 5, FileHash{{1}}}));
  REQUIRE(carrier.heard<Ordered>().size() == 1);  // it has its place
  absent.join(anna.at());
  for (const StandingOffers& part : absent.heard<StandingOffers>()) CHECK(part.offers.empty());
  successor.say(Holds{anna->epoch(), carrier.heard<Ordered>().back().place.seq});
  stage.run(milliseconds(200));
  CHECK(anna->files().empty());
}

TEST_CASE_FIXTURE(Carrying, "nothing is placed before all know who is here") {
  stage.remove(successor);  // nothing is heard of it: nothing is placed
  stage.run(milliseconds(1200));
  carry(BroadcastKind::chat, {'x'});
  CHECK(carrier.heard<Ordered>().empty());
  Hostile another{stage, remote(5), 5};
  another.call(anna.at());
  absent.call(anna.at());
  another.say(another.hello(Purpose::join));  // the next news of who is here waits 20 ms
  stage.run(milliseconds(3));
  absent.say(absent.hello(Purpose::join));
  stage.run(milliseconds(3));
  REQUIRE(absent.heard<Welcome>().size() == 1);
  carrier.line().heard.clear();
  stage.add(successor);
  successor.say(Holds{anna->epoch(), {}});
  stage.run(milliseconds(5));
  const auto& heard = carrier.line().heard;
  REQUIRE(heard.size() == 2);
  CHECK(std::holds_alternative<RosterUpdate>(heard[0]));
  CHECK(std::holds_alternative<Ordered>(heard[1]));
}

TEST_CASE(
    "who met others elsewhere is told all that was said, who met nobody only what it asks for") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(), true);
  anna->chat(stage.now(), {1}, "before they came");
  Hostile alone(stage, remote(2), 2);
  Hostile frozen(stage, remote(3), 3);
  for (Hostile* one : {&alone, &frozen}) {
    one->call(anna.at());
    Hello hello = one->hello(Purpose::join);
    // Its star said nothing before the others went on without it.
    if (one == &frozen) hello.line = {{{1}, one->id(), one->life(), {0}}};
    one->say(hello);
    stage.run(milliseconds(200));
    REQUIRE(one->heard<Welcome>().size() == 1);
  }
  CHECK(alone.heard<Welcome>()[0].kept == Seq{1});
  CHECK(frozen.heard<Welcome>()[0].kept == Seq{0});
}
