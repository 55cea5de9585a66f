// SPDX-License-Identifier: MIT
//
// What a gateway forgets, and that connections through it outlast that (OVERLAY.md 4.6).
#include <doctest/doctest.h>

#include <map>
#include <optional>
#include <utility>

#include "node/sim/acts.h"
#include "node/sim/star.h"

using namespace std::chrono_literals;
using namespace node::sim;

namespace {

/// Five nodes, each alone behind such a gateway.
struct Street {
  /// `second`: what the one that comes first is behind, to a supernode that anybody reaches.
  explicit Street(const NatSpec& spec, const std::optional<NatSpec>& second = std::nullopt) {
    for (size_t seat = 0; seat < 5; ++seat) {
      star.add_seat();
      if (second && seat == 0) continue;
      const NatSpec& its = second && seat == 1 ? *second : spec;
      star.put_behind(seat, star.world().add_gateway(its));
    }
    mrt::Random random(mrt::seed_from(3));
    REQUIRE(gather(star, random, second ? std::optional<size_t>(1) : std::nullopt));
    REQUIRE(star.run(2s));
  }
  static StarConfig on_the_internet() {
    StarConfig config;
    config.world.seed = 7;
    config.world.link.delay = 20ms;
    return config;
  }
  /// Whether all members have connections to the first two of the succession.
  bool is_warm() const {
    for (size_t seat = 1; seat < star.seat_count(); ++seat) {
      for (const node::Peer& peer : star.node(seat)->peers()) {
        const bool next = (peer.rank == 1 || peer.rank == 2) && peer.node != star.id(seat);
        if (next && peer.path == node::PathKind::relayed) return false;
      }
    }
    return true;
  }
  /// Over each connection, by whose it is and to whom.
  std::map<std::pair<size_t, node::NodeId>, uint64_t> packets_heard() const {
    std::map<std::pair<size_t, node::NodeId>, uint64_t> out;
    for (size_t seat = 0; seat < star.seat_count(); ++seat) {
      for (const auto& [peer, stats] : star.node(seat)->stats()) {
        out[{seat, peer}] = stats.packets_received;
      }
    }
    return out;
  }
  size_t first_successor() const {
    for (const node::Peer& peer : star.node(0)->peers()) {
      if (peer.rank == 1) return *star.seat_of(peer.node);
    }
    return 0;
  }
  void survives_a_kill(Duration limit) {
    const size_t leader = *star.supernode();
    star.kill(leader);
    REQUIRE(until_taken_over(star, leader, limit));
    REQUIRE(star.run(3s));
    CHECK(star.wrongly_lost() == 0);
  }

  Star star{on_the_internet()};
};

}  // namespace

TEST_CASE("mappings that end after 20 s cut no connection that is idle for minutes") {
  Street street({.keeps_ports = false, .timeout = 20s});
  CHECK(street.is_warm());
  REQUIRE(street.star.run(1min));
  const auto before = street.packets_heard();
  REQUIRE(street.star.run(2min));
  // Those that go on have heard more; one made anew would begin at nothing.
  const auto after = street.packets_heard();
  REQUIRE(after.size() == before.size());
  for (const auto& [link, packets] : before) CHECK(after.at(link) >= packets + 6);
  CHECK(street.star.migrations().empty());
  street.survives_a_kill(takeover_limit(street.star));
}

TEST_CASE("behind NATs a killed supernode is followed as soon as without, and a round trip") {
  Duration slowest[2] = {};
  for (const bool hidden : {false, true}) {
    Star plain(Street::on_the_internet());
    std::optional<Street> street;
    if (hidden) street.emplace(NatSpec{});
    Star& star = hidden ? street->star : plain;
    if (!hidden) {
      for (size_t seat = 0; seat < 5; ++seat) star.add_seat();
      mrt::Random random(mrt::seed_from(3));
      REQUIRE(gather(star, random));
      REQUIRE(star.run(2s));
    }
    const Instant killed = star.now();
    star.kill(0);
    REQUIRE(until_taken_over(star, 0, 2s));
    slowest[hidden ? 1 : 0] = star.now() - killed;
  }
  CHECK(slowest[1] <= slowest[0] + 40ms + 10ms);
}

TEST_CASE("a member's gateway that forgets everything cuts off nobody") {
  for (const bool keeps_ports : {true, false}) {
    CAPTURE(keeps_ports);
    Street street({.filtering = keeps_ports ? Depends::on_address_and_port : Depends::on_address,
                   .keeps_ports = keeps_ports});
    const size_t next = street.first_successor();
    street.star.reboot_gateway(next);
    REQUIRE(street.star.run(3s));
    CHECK(street.is_warm());
    CHECK(street.star.wrongly_lost() == 0);
    CHECK(street.star.migrations().empty());
    street.survives_a_kill(takeover_limit(street.star));
    CHECK(*street.star.supernode() == next);
  }
}

TEST_CASE("who is behind a symmetric NAT is no successor of those whose NATs look at ports") {
  const auto both = Depends::on_address_and_port;
  Street street({}, NatSpec{.mapping = both, .filtering = both});
  REQUIRE(street.star.run(10s));
  CHECK(street.first_successor() != 1);
  // Nor does it reach them: it is the one that a migration will cut off, and everybody knows.
  for (size_t seat = 0; seat < 5; ++seat) {
    for (const node::Peer& peer : street.star.node(seat)->peers()) {
      CHECK(peer.cut_off == (peer.node == street.star.id(1)));
    }
  }
  street.star.kill(0);
  REQUIRE(street.star.run(5s));
  for (const size_t seat : {2, 3, 4}) {
    CHECK(street.star.node(seat)->supernode() == street.star.id(*street.star.supernode()));
  }
}

TEST_CASE("what a member behind a NAT offers goes straight to one behind another, once it is large") {
  for (const bool large : {false, true}) {
    CAPTURE(large);
    Street street({});
    // Two who are no successors have no connection else.
    size_t by_rank[5] = {};
    for (const node::Peer& peer : street.star.node(0)->peers()) {
      by_rank[peer.rank] = *street.star.seat_of(peer.node);
    }
    const size_t holder = by_rank[3], asker = by_rank[4];
    const auto bytes_heard = [&] {
      for (const auto& [peer, stats] : street.star.node(asker)->stats()) {
        if (peer == street.star.id(holder)) return stats.bytes_received;
      }
      return uint64_t{0};
    };
    street.star.offer(holder, "file", mrt::Bytes((large ? 12 : 1) << 20, 7));
    REQUIRE(street.star.run(1s));
    CHECK(bytes_heard() == 0);
    REQUIRE(street.star.download(asker, "file"));
    REQUIRE(street.star.run(20s));
    CHECK(street.star.disk(asker).content("/downloads/file") != nullptr);
    if (large) CHECK(bytes_heard() > (6u << 20));
    if (!large) CHECK(bytes_heard() == 0);
  }
}
