// SPDX-License-Identifier: MIT
#include "stun/rendezvous_client.h"

#include "unit/stun/rendezvous_world.h"

using namespace stun;
using namespace stun::test;

TEST_CASE("who looks has the supernode's addresses after two round trips, and both are told") {
  World world;
  World::Member& host = world.add(1);
  const Address lan = Address::v4(10, 0, 0, 1, 7777), home = Address::v4(192, 168, 7, 7, 7777);
  host.client.enrol(world.now, 1, {lan});
  world.run(1s);
  REQUIRE(all<RegistrationChanged>(host).size() == 1);
  CHECK(all<RegistrationChanged>(host)[0].second.registered);
  CHECK(all<SeenAt>(host)[0].second.seen == member_address(1));

  World::Member& guest = world.add(2);
  const Instant asked = world.now;
  guest.client.look_up(world.now, {home});
  world.run(200ms);
  const auto found = all<CandidatesFound>(guest);
  REQUIRE(found.size() == 1);
  CHECK(found[0].first == asked + 100ms);
  CHECK(found[0].second.addresses == std::vector<Address>{member_address(1), lan});
  const auto introduced = all<PeerIntroduced>(host);
  REQUIRE(introduced.size() == 1);
  CHECK(introduced[0].first == asked + 100ms);
  CHECK(introduced[0].second.addresses == std::vector<Address>{member_address(2), home});
}

TEST_CASE("whatever is lost is said again") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    World world(2);
    mrt::Random random(mrt::seed_from(seed));
    world.lost = [&](const World::Flying&) { return random.chance(0.3); };
    World::Member& host = world.add(1);
    host.client.enrol(world.now, 1, {});
    world.run(20s);
    CHECK_FALSE(all<RegistrationChanged>(host).empty());
    World::Member& guest = world.add(2);
    guest.client.look_up(world.now, {});
    world.run(10s);
    CHECK_FALSE(all<CandidatesFound>(guest).empty());
    CHECK_FALSE(all<PeerIntroduced>(host).empty());
  }
}

TEST_CASE("a registration is kept for ever with one packet each way in twenty seconds") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  const size_t before = world.log.size();
  world.run(600s);
  // A little less, for each Keep is counted from the answer to the last.
  CHECK(world.log.size() - before <= 60);
  CHECK(world.log.size() - before >= 56);
  CHECK(all<RegistrationChanged>(host).size() == 1);
  CHECK(world.servers.begin()->second.table().entries() == 1);
}

TEST_CASE("a server that was restarted knows again within the interval of a Keep") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(30s);
  world.servers.begin()->second = RendezvousServer(mrt::seed_from(77));
  world.run(21s);
  CHECK(world.servers.begin()->second.table().entries() == 1);
}

TEST_CASE("a supernode whose NAT gave it another port is found at the new one") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(5s);
  host.address.port = 9'999;
  world.run(21s);
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(1s);
  REQUIRE(all<CandidatesFound>(guest).size() == 1);
  CHECK(all<CandidatesFound>(guest)[0].second.addresses == std::vector<Address>{host.address});
  CHECK(all<SeenAt>(host).size() == 2);
}

TEST_CASE("a server that is down is said so once, asked ever more rarely, and found again") {
  World world(2);
  bool down = false;
  world.lost = [&](const World::Flying& one) { return down && one.to == server_address(1); };
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(5s);
  CHECK(all<RegistrationChanged>(host).size() == 2);
  down = true;
  world.run(30s);
  const size_t before = host.sent;
  world.run(300s);
  CHECK(host.sent - before <= 15 + 10);  // Keeps to the other, and some words to this one
  REQUIRE(all<RegistrationChanged>(host).size() == 3);
  CHECK_FALSE(all<RegistrationChanged>(host)[2].second.registered);
  down = false;
  world.run(61s);
  REQUIRE(all<RegistrationChanged>(host).size() == 4);
  CHECK(all<RegistrationChanged>(host)[3].second.registered);
}

TEST_CASE("servers are asked side by side: one that is down delays nobody") {
  World world(3);
  world.lost = [&](const World::Flying& one) { return one.to == server_address(1); };
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  World::Member& guest = world.add(2);
  const Instant asked = world.now;
  guest.client.look_up(world.now, {});
  world.run(5s);
  REQUIRE_FALSE(all<CandidatesFound>(guest).empty());
  CHECK(all<CandidatesFound>(guest)[0].first == asked + 100ms);
  CHECK(guest.client.answered() == 2);
}

TEST_CASE("supernodes at different servers are joined") {
  World world(2);
  World::Member& first = world.add(1, 1);
  first.client.enrol(world.now, 1, {});
  World::Member& both = world.add(2);
  both.client.enrol(world.now, 2, {});
  world.run(1s);
  World::Member& guest = world.add(3);
  guest.client.look_up(world.now, {});
  world.run(900ms);
  auto found = all<CandidatesFound>(guest).back().second.addresses;
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<Address>{member_address(1), member_address(2)});
}

TEST_CASE("who looks goes on until it is told to stop, and finds who comes later") {
  World world;
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(3s);
  CHECK(guest.client.answered() == 1);
  CHECK(all<CandidatesFound>(guest).empty());
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(2s);
  CHECK(all<CandidatesFound>(guest).size() == 1);
  guest.client.stop_looking();
  const size_t before = guest.sent;
  world.run(10s);
  CHECK(guest.sent == before);
}

TEST_CASE("a new supernode registers beside the dead one, which is forgotten in time") {
  World world;
  World::Member& old = world.add(1);
  old.client.enrol(world.now, 1, {});
  world.run(5s);
  world.lost = [&](const World::Flying& one) { return one.from == member_address(1); };
  World::Member& heir = world.add(2);
  heir.client.enrol(world.now, 2, {});
  world.run(1s);
  World::Member& guest = world.add(3);
  guest.client.look_up(world.now, {});
  world.run(1s);
  CHECK(all<CandidatesFound>(guest).back().second.addresses ==
        std::vector<Address>{member_address(2), member_address(1)});
  world.run(60s);
  CHECK(all<CandidatesFound>(guest).back().second.addresses ==
        std::vector<Address>{member_address(2)});
}

TEST_CASE("who leaves is gone at once, with one packet") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(15s);
  const size_t before = host.sent;
  host.client.leave(world.now);
  world.run(30ms);
  CHECK(host.sent - before == 1);
  CHECK(world.servers.begin()->second.stats().keeps == 1);
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(10s);
  CHECK(all<CandidatesFound>(guest).empty());
  CHECK(host.client.next_timeout() == mrt::never);
  CHECK(host.sent - before == 1);
}

TEST_CASE("who leaves and nobody answers falls silent") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  world.lost = [](const World::Flying&) { return true; };
  const size_t before = host.sent;
  host.client.leave(world.now);
  world.run(60s);
  CHECK(host.sent - before == 3);
  CHECK(host.client.next_timeout() == mrt::never);
}

TEST_CASE("what changes is said at once, and what has not is not said again") {
  World world;
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  const size_t before = host.sent;
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  CHECK(host.sent == before);
  const Address lan = Address::v4(10, 0, 0, 1, 7777);
  host.client.enrol(world.now, 5, {lan});
  world.run(1s);
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(1s);
  CHECK(all<CandidatesFound>(guest)[0].second.addresses ==
        std::vector<Address>{member_address(1), lan});
}

TEST_CASE("another key is another network: the old one is left, the new one looked up") {
  World world;
  const RendezvousKey other(open_rendezvous_seed("other"));
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  host.client.set_key(world.now, other);
  world.run(1s);
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(1s);
  CHECK(all<CandidatesFound>(guest).empty());
  guest.client.set_key(world.now, other);
  world.run(1s);
  CHECK(all<CandidatesFound>(guest).size() == 1);
}

TEST_CASE("a key that comes late is waited for") {
  World world;
  world.members.reserve(2);
  RendezvousClientConfig config{{server_address(1)}, {1}};
  World::Member& host =
      world.members.emplace_back(World::Member{member_address(1), {config, mrt::seed_from(5)}});
  host.client.enrol(world.now, 1, {});
  host.client.look_up(world.now, {});
  world.run(5s);
  CHECK(host.sent == 0);
  host.client.set_key(world.now, world.key);
  world.run(1s);
  CHECK(all<RegistrationChanged>(host).size() == 1);
  // Oneself is nobody whom one looks for.
  CHECK(all<CandidatesFound>(host).empty());
}

TEST_CASE("several servers introduce the same peer once") {
  World world(3);
  World::Member& host = world.add(1);
  host.client.enrol(world.now, 1, {});
  world.run(1s);
  World::Member& guest = world.add(2);
  guest.client.look_up(world.now, {});
  world.run(800ms);
  CHECK(all<PeerIntroduced>(host).size() == 1);
  // A second later again: the first word may have been lost on its way through the NAT.
  world.run(1s);
  CHECK(all<PeerIntroduced>(host).size() == 2);
}
