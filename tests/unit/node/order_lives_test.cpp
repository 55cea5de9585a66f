// SPDX-License-Identifier: MIT
//
// Which lives are remembered, so that what they said is not told twice, where a carrier brings the
// words of as many as it likes (OVERLAY.md 3.8).
#include <doctest/doctest.h>

#include "node/order.h"
#include "unit/node/senders.h"
#include "unit/node/stage.h"

using namespace node;
using std::chrono::milliseconds;

namespace {

/// The first word of a life that was never here, the same for the same number.
Ordered word_of_stranger(uint64_t number) {
  static const Ordered said = test::ordered(1, 1, 9, 1);
  Ordered out = said;
  for (size_t i = 0; i < 8; ++i) out.key[i] = static_cast<uint8_t>(number >> (8 * i));
  out.id.sender = node_id_of(out.key);
  return out;
}

/// A member that hears broadcasts.
struct Listener {
  Listener() { order.enter_view({1}, test::node_id(2), {1}, {0}, false); }

  /// Whether its user is told that.
  bool tells(Ordered message) {
    message.place = {{1}, {order.last().value + 1}};
    REQUIRE(order.take(message));
    order.deliver_up_to(order.last());
    return order.poll_delivery().has_value();
  }

  Order order{test::node_id(1), {1}};
};

}  // namespace

TEST_CASE_FIXTURE(Listener,
                  "however many lives others carry words of, who was here is remembered") {
  const Ordered word = test::ordered(1, 1, 3, 1);
  bool was_carried_before = false;
  SUBCASE("") {}
  SUBCASE("also where others carried its words before it came") { was_carried_before = true; }
  if (was_carried_before) CHECK(tells(word));
  order.note_member(word.id.sender, word.id.incarnation);
  if (!was_carried_before) CHECK(tells(word));
  for (uint64_t i = 0; i < 2 * lives_max; ++i) tells(word_of_stranger(i));
  CHECK_FALSE(tells(word));
  CHECK_FALSE(order.lacks(word.id));
  CHECK(order.is_consistent());
}

TEST_CASE_FIXTURE(Listener,
                  "as many as a full star leaves behind are remembered though none came") {
  for (uint64_t i = 0; i < lives_max; ++i) {
    order.note_member(word_of_stranger(lives_max + i).id.sender, {2});
  }
  const Ordered word = test::ordered(1, 1, 3, 1);
  order.note_member(word.id.sender, word.id.incarnation);
  CHECK(tells(word));
  for (uint64_t i = 0; i < carried_lives_kept; ++i) CHECK(tells(word_of_stranger(i)));
  for (uint64_t i = 0; i < carried_lives_kept; ++i) CHECK_FALSE(tells(word_of_stranger(i)));
  CHECK_FALSE(tells(word));
  CHECK(order.is_consistent());
}

TEST_CASE("a node remembers those who were its members, and those who were members beside it") {
  using namespace stage;
  Stage stage;
  Honest anna{stage, remote(1), 1, "anna", secret(), true};
  Honest bert{stage, remote(2), 2, "bert"};
  REQUIRE(bert.join(anna.at()));
  bert->chat(stage.now(), {2}, "bert's");
  stage.run(milliseconds(300));
  bert->quit(stage.now(), "");
  stage.run(milliseconds(300));

  // She comes to Mallory's star, where Carl is.
  const Epoch epoch{5};
  Hostile mallory{stage, remote(3), 3};
  const mrt::Identity key(seed(4));
  const RosterEntry carl{node_id_of(key.public_key()), {7}, "carl", {}, 2, 0, key.public_key()};
  mallory.wait_for_call();
  anna->join(stage.now(), {1}, {mallory.at()}, secret());
  stage.run(milliseconds(100));
  const Hello hello = mallory.heard<Hello>().at(0);
  REQUIRE_FALSE(hello.line.empty());
  mallory.say(mallory.hello(Purpose::answer));
  Welcome welcome{epoch, mallory.id(), "anna", anna.at(), false, {0}, secret()};
  welcome.asked_in = hello.line.front();
  mallory.say(welcome);
  const RosterEntry entry{hello.node, hello.incarnation, "anna", {}, 1, 0, hello.key};
  mallory.say(
      RosterUpdate{epoch, mallory.id(), {1}, true, true, {mallory.entry(), entry, carl}, {}});
  mallory.say(StandingOffers{true, {}});
  mallory.say(Ready{epoch, {0}});
  stage.run(milliseconds(50));
  REQUIRE(anna->role() == Role::member);
  REQUIRE(mallory.heard<Carried>().size() == 1);
  Ordered berts = mallory.heard<Carried>()[0].message;
  Ordered carls = berts;
  carls.key = carl.key;
  carls.id = {carl.node, carl.incarnation, 1};

  Seq last;
  const auto say = [&](Ordered message) {
    message.place = {epoch, {++last.value}};
    mallory.say(message);
  };
  say(carls);
  for (uint64_t i = 0; i < lives_max + 1'000; ++i) say(word_of_stranger(i));
  stage.run(milliseconds(200));
  CHECK(anna.told<ChatDelivered>().size() == lives_max + 1'002);
  anna.forget();
  say(berts);
  say(carls);
  say(word_of_stranger(lives_max + 1'000));
  stage.run(milliseconds(100));
  CHECK(anna.told<ChatDelivered>().size() == 1);
}
