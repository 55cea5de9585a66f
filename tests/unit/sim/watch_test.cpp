// SPDX-License-Identifier: MIT
//
// What it costs to watch over a large star, and how soon its supernode is missed (OVERLAY.md 5.1,
// 5.2). How soon that is in a small one the scenarios say.
#include <doctest/doctest.h>

#include "node/sim/acts.h"
#include "node/sim/star.h"

using namespace std::chrono_literals;
using namespace node::sim;

namespace {

/// More than keep-alives are for at the quickest pace: all but the first three have a slower one.
struct Large {
  Large() {
    for (int seat = 0; seat < 120; ++seat) star.add_seat();
    mrt::Random random(mrt::seed_from(3));
    REQUIRE(gather(star, random));
    REQUIRE(star.run(3s));
  }

  static StarConfig on_a_lan() {
    StarConfig config;
    config.world.seed = 7;
    config.world.link.delay = 300us;
    return config;
  }

  /// In a wide and quiet star two who may succeed agree that the supernode is gone. Nobody else has
  /// anything of it under way.
  void part_from_successors(Duration delay) {
    LinkSpec far;
    far.delay = delay;
    star.change_links(far);
    REQUIRE(star.run(8s));
    for (const node::Peer& peer : star.node(0)->peers()) {
      if (peer.rank == 1 || peer.rank == 2) star.cut(0, *star.seat_of(peer.node));
    }
    REQUIRE(star.run(3s));
  }

  Star star{on_a_lan()};
};

}  // namespace

TEST_CASE_FIXTURE(Large, "500 keep-alives a second reach a supernode at most") {
  const uint64_t before = star.world().counters().datagrams_sent;
  REQUIRE(star.run(5s));
  const uint64_t sent = star.world().counters().datagrams_sent - before;
  CHECK(sent <= 5 * 2 * (500 + 10));  // each is answered; ten a second are the supernode's own
  CHECK(sent >= 5 * 2 * 300);
}

TEST_CASE_FIXTURE(Large, "a large star misses its supernode as soon as a small one") {
  star.kill(0);
  const Instant killed = star.now();
  REQUIRE(until_taken_over(star, 0, 2s));
  REQUIRE(star.run(500ms));
  REQUIRE(star.migrations().size() == star.seat_count() - 1);
  // The silence, the check of a Gather that comes as news (6.2a), and a few ways.
  for (const MigrationSeen& seen : star.migrations()) CHECK(seen.at - killed < 300ms + 150ms);
}

TEST_CASE_FIXTURE(Large,
                  "who hears its supernode in a wide and quiet star is not gathered from it") {
  part_from_successors(150ms);
  size_t faithful = 0;
  for (size_t seat = 1; seat < star.seat_count(); ++seat) {
    if (star.node(seat)->supernode() == star.id(0)) ++faithful;
  }
  CHECK(faithful == star.seat_count() - 3);
}

TEST_CASE_FIXTURE(Large, "whom many name at once as their supernode is asked once") {
  // Two go on by themselves, and call all those whom they have lost.
  part_from_successors(110ms);
  star.heal();
  REQUIRE(until(star, 5s, "another leads all", [&] {
    const auto supernode = star.supernode();
    return supernode && *supernode != 0 &&
           star.node(*supernode)->peers().size() == star.seat_count();
  }));
}

TEST_CASE_FIXTURE(Large, "who comes to be next keeps watch at once as those did who have gone") {
  for (const size_t seat : {1, 2, 3}) star.kill(seat);
  REQUIRE(until(star, 5s, "they are removed",
                [&] { return star.node(0)->peers().size() == star.seat_count() - 3; }));
  REQUIRE(star.run(1500ms));
  star.kill(0);
  const Instant killed = star.now();
  REQUIRE(until_taken_over(star, 0, 2s));
  CHECK(star.now() - killed < 300ms + 150ms);
}
