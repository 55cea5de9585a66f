// SPDX-License-Identifier: MIT
//
// That a star becomes one again, whatever kept a node out of it: one named case for each way in
// which somebody was left waiting. What random faults find beyond these is the swarm's.
#include "node/sim/star.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>

#include "node/sim/acts.h"
#include "node/sim/scenario.h"

using namespace std::chrono_literals;
using namespace node::sim;

namespace {

StarConfig on_a_lan() {
  StarConfig config;
  config.world.seed = 7;
  config.world.link.delay = 300us;
  return config;
}

/// So many nodes in one star; the first is the supernode, and the others rank by number.
struct Together {
  explicit Together(size_t count) {
    for (size_t seat = 0; seat < count; ++seat) star.add_seat();
    star.start_host(0);
    for (size_t seat = 1; seat < count; ++seat) {
      star.join(seat, 0);
      star.run(100ms);
      REQUIRE(star.is_in_star(seat));
    }
    star.run(500ms);
  }
  bool is_one_within(Duration limit) {
    const bool settled = star.settle(limit).has_value();
    if (const auto& violation = star.checker().violation()) MESSAGE(violation->what);
    return settled;
  }
  node::Role role(size_t seat) { return star.node(seat)->role(); }

  Star star{on_a_lan()};
};

}  // namespace

TEST_CASE("one whose call failed while it was frozen calls again") {
  Star star(on_a_lan());
  for (size_t seat = 0; seat < 3; ++seat) star.add_seat();
  star.start_host(0);
  star.join(1, 2);
  REQUIRE(until(star, 15s, "a call that fails", [&] { return star.joins_failed() == 1; }));
  star.freeze(1);
  star.run(1s);
  CHECK(star.settle(5s).has_value());
}

TEST_CASE("what waits for a star that is not found is not overtaken by what is said later") {
  Star star(on_a_lan());
  for (size_t seat = 0; seat < 2; ++seat) star.add_seat();
  star.start_host(0);
  star.freeze(0);
  star.join(1, 0);  // unanswered
  star.run(100ms);
  star.chat(1, "early");
  star.run(1100ms);
  star.chat(1, "late");
  star.run(15s);
  CHECK(star.checker().heard_count() == 2);
}

TEST_CASE("a member that was frozen without an uplink looks for a star when it thaws") {
  Together at(3);
  Star& star = at.star;
  star.freeze(1);  // no successor takes over
  star.kill(0);
  star.join(0, 2);  // its next life ends the uplink of node 2
  star.run(50ms);
  star.freeze(2);
  star.run(1s);
  star.kill(1);
  CHECK(at.is_one_within(20s));
}

TEST_CASE("a supernode whose successor dies before it takes over goes on") {
  Together at(2);
  Star& star = at.star;
  star.hand_over(0);
  star.kill(1);
  CHECK(at.is_one_within(5s));
}

TEST_CASE("a successor that hears nothing of its supernode still takes the role when given it") {
  Together at(3);
  Star& star = at.star;
  star.cut(0, 1);
  star.run(700ms);
  star.heal();
  star.hand_over(0);
  CHECK(until(star, 500ms, "the successor leads",
              [&] { return at.role(1) == node::Role::supernode; }));
  CHECK(at.is_one_within(5s));
}

TEST_CASE("who comes to lead has not been away because somebody is overdue to be looked for") {
  Together at(3);
  Star& star = at.star;
  star.kill(2);
  star.run(10s);  // the supernode looks for it, and its successor will
  size_t notes = 0;
  star.watch([&](size_t, const node::Event& e) { notes += std::holds_alternative<node::Noted>(e); },
             {});
  star.hand_over(0);
  star.run(1s);
  CHECK(at.role(1) == node::Role::supernode);
  CHECK(notes == 0);
}

TEST_CASE("what a supernode held back for its successor it hears as soon as it is alone") {
  Together at(2);
  Star& star = at.star;
  star.freeze(1);
  star.run(1s);
  star.chat(0, "alone");
  mrt::Instant alone{};
  std::optional<mrt::Instant> heard;
  star.watch(
      [&](size_t, const node::Event& e) {
        if (std::holds_alternative<node::PeerLeft>(e)) alone = star.now();
        if (std::holds_alternative<node::ChatDelivered>(e)) heard = star.now();
      },
      {});
  REQUIRE(until(star, 10s, "its word", [&] { return heard.has_value(); }));
  CHECK(*heard == alone);
}

TEST_CASE("who comes in another life is not waited for in the view that it died in") {
  Together at(3);
  Star& star = at.star;
  for (const size_t seat : {size_t{0}, size_t{2}}) {
    star.kill(seat);
    star.world().change_port(star.host(seat));
    star.join(seat, 1);
  }
  CHECK(at.is_one_within(5s));
}

TEST_CASE("one who finds nobody for 10 s goes on alone, whatever its connections still promise") {
  Together at(6);
  Star& star = at.star;
  star.divide({4});
  star.run(13s);
  CHECK(at.role(4) == node::Role::alone);
  CHECK(at.is_one_within(20s));
}

TEST_CASE("two halves find each other though those who lost the others lead no more") {
  Together at(5);
  Star& star = at.star;
  star.divide({2, 3, 4});
  star.run(5s);
  for (const size_t seat : {size_t{0}, size_t{2}}) {
    REQUIRE(at.role(seat) == node::Role::supernode);
    star.hand_over(seat);
    star.run(1s);
    REQUIRE(at.role(seat) == node::Role::member);
  }
  CHECK(at.is_one_within(30s));
}

TEST_CASE("stars that cannot know of each other are brought together by their users") {
  Together at(3);
  Star& star = at.star;
  star.divide({2});
  star.run(15s);
  REQUIRE(at.role(2) == node::Role::alone);
  for (const size_t seat : {size_t{0}, size_t{1}}) {
    star.kill(seat);
    star.world().change_port(star.host(seat));
  }
  star.start_host(0);
  star.join(1, 0);
  star.run(1s);
  CHECK(at.is_one_within(20s));
}

TEST_CASE("a call to a star is answered though the supernode that was to lead there dies") {
  Together at(4);
  Star& star = at.star;
  star.kill(3);
  star.run(2s);
  star.join(2, 3);  // nobody is there: its supernode calls for up to 10 s
  star.run(5ms);
  star.kill(0);
  star.run(3s);
  CHECK(star.joins_failed() == 1);
  CHECK(at.is_one_within(5s));
}

TEST_CASE("a member's call to the star that it is in is answered") {
  Together at(3);
  Star& star = at.star;
  star.join(2, 1);
  star.run(1s);
  CHECK(star.joins_failed() == 1);
  CHECK(at.is_one_within(1s));
}

TEST_CASE("one who lives again is found though the connection to its old life still looks open") {
  Together at(3);
  Star& star = at.star;
  star.kill(0);
  star.kill(2);
  star.run(3s);
  REQUIRE(at.role(1) == node::Role::alone);
  star.start_host(2);
  CHECK(at.is_one_within(12s));
}

TEST_CASE("a seat that is wiped comes again as somebody else, with an empty disk") {
  Together at(3);
  Star& star = at.star;
  const node::NodeId before = star.id(2);
  star.offer(2, "x.bin", {1, 2, 3});
  REQUIRE(star.run(1s));
  CHECK_FALSE(star.wipe(2));  // it runs
  star.kill(2);
  CHECK(star.wipe(2));
  CHECK(star.disk(2).content("/shared/x.bin") == nullptr);
  star.join(2, 0);
  CHECK(at.is_one_within(10s));
  CHECK(star.id(2) != before);
  CHECK(star.seat_of(star.id(2)) == 2);
  CHECK(star.node(0)->peers().size() == 3);
}

TEST_CASE("a slow disk delays a download, and faults end with it") {
  Together at(3);
  Star& star = at.star;
  star.offer(1, "x.bin", mrt::Bytes(200'000));
  REQUIRE(star.run(1s));
  star.slow_disk(2, 400ms, 1e5);
  star.download(2, "x.bin");
  REQUIRE(star.run(1s));
  CHECK(star.received_count() == 0);
  CHECK(at.is_one_within(5s));
  CHECK(star.received_count() == 1);
}

TEST_CASE("how many nodes a hurricane has is drawn from its seed, from two to two hundred") {
  const Scenario& hurricane = *find_scenario("hurricane");
  size_t least = 1'000, most = 0;
  for (uint64_t seed = 1; seed <= 1'000; ++seed) {
    const size_t nodes = node_count(hurricane, {.seed = seed, .link = {}, .duration = {}});
    least = std::min(least, nodes);
    most = std::max(most, nodes);
  }
  CHECK(least == 2);
  CHECK(most > 150);
  CHECK(most <= 200);
  CHECK(node_count(hurricane, {.seed = 1, .nodes = 5, .link = {}, .duration = {}}) == 5);
}
