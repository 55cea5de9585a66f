// SPDX-License-Identifier: MIT
#include "stun/nat_watch.h"

#include <doctest/doctest.h>

#include "unit/stun/nat_world.h"

using namespace std::chrono_literals;
using mrt::Address;
using namespace stun;
using namespace stun::test;

namespace {

constexpr auto independent = Dependence::endpoint_independent;
constexpr auto by_port = Dependence::address_and_port_dependent;

const Address home = Address::v4(10, 0, 0, 2, 4000), beside = Address::v4(10, 0, 0, 2, 4001);
const Address six = *Address::parse("[2001:db8::2]:4000");
const Address six_beside = *Address::parse("[2001:db8::2]:4001");

Address host(uint8_t number, uint16_t port) { return Address::v4(198, 51, 100, number, port); }

/// A node behind a NAT, and a server with two ports, as `thuban rendezvous` is.
struct Watched {
  explicit Watched(const NatBox& nat, std::vector<Address> sockets = {home},
                   std::vector<Address> seconds = {beside})
      : watch({std::move(sockets), std::move(seconds)}, mrt::seed_from(1)) {
    world.nat = nat;
    world.add_host({host(5, 7700), host(5, 7701)});
  }
  std::vector<NatFound> run(mrt::Duration time) { return world.run(watch, world.now + time); }
  /// The gateway forgets all, and gives other ports from then on.
  void reboot() {
    const size_t ports = world.nat.inside.size();
    world.nat.outside.clear();
    world.nat.open.clear();
    CHECK(world.nat.inside.size() == ports);
  }
  size_t asked() { return std::exchange(world.asked, {}).size(); }

  World world;
  NatWatch watch;
};

}  // namespace

TEST_CASE("what stands before a node's socket is told once, and where others may call in") {
  Watched all({true, independent, by_port});
  CHECK(all.run(1s).empty());
  CHECK(all.asked() == 0);
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  const auto found = all.run(10min);
  REQUIRE(found.size() == 1);
  CHECK(found[0].behaviour.type == NatType::port_restricted);
  CHECK(found[0].behaviour.local == home);
  CHECK(all.watch.callable() == std::vector{*found[0].behaviour.mapped});
}

TEST_CASE("the mapping is held by one small question in 25 seconds") {
  Watched all({true, independent, independent});
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  all.run(10s);
  all.asked();
  all.run(250s);
  CHECK(all.asked() == 10);
}

TEST_CASE("a gateway that was restarted is noticed, and the new address told") {
  Watched all({true, independent, by_port});
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  const auto before = all.run(10s);
  all.reboot();
  const auto after = all.run(30s);
  REQUIRE(after.size() == 1);
  CHECK(after[0].behaviour.type == NatType::port_restricted);
  CHECK(after[0].behaviour.mapped != before[0].behaviour.mapped);
  CHECK(all.watch.callable() == std::vector{*after[0].behaviour.mapped});
}

TEST_CASE("a NAT that forgets is asked more often, until the host is behind another one") {
  for (const bool endpoint_independent : {true, false}) {
    const Dependence mapping = endpoint_independent ? independent : by_port;
    Watched all({true, mapping, by_port});
    all.watch.add_servers(all.world.now, {host(5, 7700)});
    all.run(10s);
    CHECK(all.watch.pace() == mapping_check_interval);
    all.reboot();
    all.run(40s);
    CHECK(all.watch.pace() == mapping_check_interval / 2);
    all.asked();
    all.run(250s);
    CHECK(all.asked() == 20);
    for (int i = 0; i < 5; ++i) {
      all.reboot();
      all.run(40s);
    }
    CHECK(all.watch.pace() == mapping_check_min);
    all.watch.look_again(all.world.now);
    all.run(20s);
    CHECK(all.watch.pace() == mapping_check_interval);
  }
}

TEST_CASE("it is noticed at once where a rendezvous server or the host's addresses tell of it") {
  for (const bool seen : {true, false}) {
    Watched all({true, independent, by_port});
    all.watch.add_servers(all.world.now, {host(5, 7700)});
    const auto before = all.run(12s);
    all.reboot();
    if (seen)
      all.watch.on_seen(all.world.now, Address::v4(192, 0, 2, 1, 51'000));
    else
      all.watch.look_again(all.world.now);
    CHECK(all.run(3s).size() == 1);
    CHECK(all.watch.callable() != std::vector{*before[0].behaviour.mapped});
  }
}

TEST_CASE("what others say of this node costs its servers little, however often they say it") {
  Watched all({true, independent, by_port});
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  all.run(10s);
  all.asked();
  for (int i = 0; i < 1000; ++i) {
    all.watch.on_seen(all.world.now, Address::v4(192, 0, 2, 1, static_cast<uint16_t>(i + 1)));
    all.watch.look_again(all.world.now);
    CHECK(all.run(50ms).empty());
  }
  // In fifty seconds five probes, of ten questions at most and one to itself, and as many checks.
  CHECK(all.asked() <= 5 * (10 + 1 + 1));
}

TEST_CASE("each mapping of a symmetric NAT is another one, and that is no news") {
  Watched all({true, by_port, by_port});
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  const auto found = all.run(10s);
  REQUIRE(found.size() == 1);
  CHECK(found[0].behaviour.type == NatType::symmetric);
  CHECK(all.watch.callable().empty());
  all.watch.on_seen(all.world.now, Address::v4(192, 0, 2, 1, 51'000));
  for (int i = 0; i < 4; ++i) {
    all.reboot();
    CHECK(all.run(60s).empty());
  }
  // Where its address is another one it is.
  Watched moved({true, by_port, by_port});
  moved.watch.add_servers(moved.world.now, {host(5, 7700)});
  moved.run(45s);
  moved.asked();
  moved.run(1s);
  CHECK(moved.asked() == 0);
  moved.watch.on_seen(moved.world.now, Address::v4(192, 0, 2, 2, 51'000));
  moved.run(1s);
  CHECK(moved.asked() > 0);
}

TEST_CASE("names that become known one after the other are asked together, and told once") {
  Watched all({true, by_port, by_port});
  all.world.add_host({host(6, 3478)});
  all.watch.add_servers(all.world.now, {host(6, 3478)});
  all.run(5ms);
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  const auto found = all.run(20s);
  REQUIRE(found.size() == 1);
  CHECK(found[0].behaviour.type == NatType::symmetric);
}

TEST_CASE("servers that are silent are asked again, and what they say then is told") {
  Watched all({true, independent, by_port});
  all.world.loss = 1;
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  const auto silent = all.run(10min);
  REQUIRE(silent.size() == 1);
  CHECK(silent[0].behaviour.type == NatType::blocked);
  CHECK(all.asked() <= 4 * 10);
  all.world.loss = 0;
  const auto heard = all.run(2min);
  REQUIRE(heard.size() == 1);
  CHECK(heard[0].behaviour.type == NatType::port_restricted);
  all.world.loss = 1;
  REQUIRE(all.run(2min).size() == 1);
  CHECK(all.watch.callable().empty());
}

TEST_CASE("a host without IPv6 is not told that it is blocked") {
  Watched all({true, independent, independent}, {home, six}, {beside, six_beside});
  all.watch.add_servers(all.world.now, {*Address::parse("[2001:db8::5]:7700"), host(5, 7700)});
  const auto found = all.run(10min);
  REQUIRE(found.size() == 1);
  CHECK(found[0].behaviour.mapped);
  // Where both are silent, once.
  Watched dead({true, independent, independent}, {home, six}, {beside, six_beside});
  dead.world.loss = 1;
  dead.watch.add_servers(dead.world.now, {*Address::parse("[2001:db8::5]:7700"), host(5, 7700)});
  CHECK(dead.run(10min).size() == 1);
}

TEST_CASE("a socket on loopback asks nobody beyond it") {
  Watched all({}, {Address::v4(127, 0, 0, 1, 4000)}, {Address::v4(127, 0, 0, 1, 4001)});
  all.watch.add_servers(all.world.now, {host(5, 7700)});
  CHECK(all.run(10min).empty());
  CHECK(all.asked() == 0);
}

TEST_CASE("of many servers eight are asked") {
  Watched all({true, independent, independent});
  all.world.loss = 1;
  std::vector<Address> many;
  for (uint8_t i = 10; i < 100; ++i) many.push_back(host(i, 3478));
  all.watch.add_servers(all.world.now, many);
  all.run(50s);
  CHECK(all.asked() == 8 * 4);
}

TEST_CASE("that a NAT varies its ports is known once it was looked at, and not guessed before") {
  for (const auto mapping : {independent, by_port}) {
    Watched all({true, mapping, by_port});
    CHECK(all.watch.symmetric() == false);  // nobody is asked
    all.watch.add_servers(all.world.now, {host(5, 7700)});
    CHECK(!all.watch.symmetric());
    all.run(10s);
    CHECK(all.watch.symmetric() == (mapping == by_port));
  }
  Watched silent({true, by_port, by_port});
  silent.watch.add_servers(silent.world.now, {host(6, 7700)});
  silent.run(30s);
  CHECK(silent.watch.symmetric() == false);
}
