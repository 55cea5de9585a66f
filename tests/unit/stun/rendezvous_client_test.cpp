// SPDX-License-Identifier: MIT
#include "stun/rendezvous_client.h"

#include "unit/stun/rendezvous_meeting.h"

using namespace stun;
using namespace stun::test;

TEST_CASE("who looks has the supernode's addresses after two round trips, and both are told") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  const Address lan = Address::v4(10, 0, 0, 1, 7777), home = Address::v4(192, 168, 7, 7, 7777);
  host.client.enrol(meeting.now, 1, {{lan}});
  meeting.run(1s);
  REQUIRE(all<RegistrationChanged>(host).size() == 1);
  CHECK(all<RegistrationChanged>(host)[0].second.registered);
  CHECK(all<SeenAt>(host)[0].second.seen == member_address(1));

  Meeting::Member& guest = meeting.add(2);
  const Instant asked = meeting.now;
  guest.client.look_up(meeting.now, {{home}});
  meeting.run(200ms);
  const auto found = all<CandidatesFound>(guest);
  REQUIRE(found.size() == 1);
  CHECK(found[0].first == asked + 100ms);
  CHECK(found[0].second.addresses == std::vector<Address>{member_address(1), lan});
  const auto introduced = all<PeerIntroduced>(host);
  REQUIRE(introduced.size() == 1);
  CHECK(introduced[0].first == asked + 100ms);
  CHECK(introduced[0].second.addresses == std::vector<Address>{member_address(2), home});
  CHECK(introduced[0].second.seen == SeenHost{member_address(2), false});
}

TEST_CASE("whatever is lost is said again") {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Meeting meeting(2);
    mrt::Random random(mrt::seed_from(seed));
    meeting.lost = [&](const Meeting::Flying&) { return random.chance(0.3); };
    Meeting::Member& host = meeting.add(1);
    host.client.enrol(meeting.now, 1, {});
    meeting.run(20s);
    CHECK_FALSE(all<RegistrationChanged>(host).empty());
    Meeting::Member& guest = meeting.add(2);
    guest.client.look_up(meeting.now, {});
    meeting.run(10s);
    CHECK_FALSE(all<CandidatesFound>(guest).empty());
    CHECK_FALSE(all<PeerIntroduced>(host).empty());
  }
}

TEST_CASE("a registration is kept for ever with one packet each way in fifteen seconds") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  const size_t before = meeting.log.size();
  meeting.run(600s);
  // A little less, for each Keep is counted from the answer to the last.
  CHECK(meeting.log.size() - before <= 80);
  CHECK(meeting.log.size() - before >= 76);
  CHECK(all<RegistrationChanged>(host).size() == 1);
  CHECK(meeting.servers.begin()->second.table().entries() == 1);
}

TEST_CASE("a server that was restarted knows again within the interval of a Keep") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(30s);
  meeting.servers.begin()->second = RendezvousServer(mrt::seed_from(77));
  meeting.run(21s);
  CHECK(meeting.servers.begin()->second.table().entries() == 1);
}

TEST_CASE("a supernode whose NAT gave it another port is found at the new one") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(5s);
  host.address.port = 9'999;
  meeting.run(21s);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(1s);
  REQUIRE(all<CandidatesFound>(guest).size() == 1);
  CHECK(all<CandidatesFound>(guest)[0].second.addresses == std::vector<Address>{host.address});
  CHECK(all<SeenAt>(host).size() == 2);
}

TEST_CASE("a server that is down is said so once, asked ever more rarely, and found again") {
  Meeting meeting(2);
  bool down = false;
  meeting.lost = [&](const Meeting::Flying& one) { return down && one.to == server_address(1); };
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(5s);
  CHECK(all<RegistrationChanged>(host).size() == 2);
  down = true;
  meeting.run(30s);
  const size_t before = host.sent;
  meeting.run(300s);
  CHECK(host.sent - before <= 20 + 10);  // Keeps to the other, and some words to this one
  REQUIRE(all<RegistrationChanged>(host).size() == 3);
  CHECK_FALSE(all<RegistrationChanged>(host)[2].second.registered);
  down = false;
  meeting.run(61s);
  REQUIRE(all<RegistrationChanged>(host).size() == 4);
  CHECK(all<RegistrationChanged>(host)[3].second.registered);
}

TEST_CASE("servers are asked side by side: one that is down delays nobody") {
  Meeting meeting(3);
  meeting.lost = [&](const Meeting::Flying& one) { return one.to == server_address(1); };
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  const Instant asked = meeting.now;
  guest.client.look_up(meeting.now, {});
  meeting.run(5s);
  REQUIRE_FALSE(all<CandidatesFound>(guest).empty());
  CHECK(all<CandidatesFound>(guest)[0].first == asked + 100ms);
  CHECK(guest.client.answered() == 2);
}

TEST_CASE("supernodes at different servers are joined") {
  Meeting meeting(2);
  Meeting::Member& first = meeting.add(1, 1);
  first.client.enrol(meeting.now, 1, {});
  Meeting::Member& both = meeting.add(2);
  both.client.enrol(meeting.now, 2, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(3);
  guest.client.look_up(meeting.now, {});
  meeting.run(900ms);
  auto found = all<CandidatesFound>(guest).back().second.addresses;
  std::sort(found.begin(), found.end());
  CHECK(found == std::vector<Address>{member_address(1), member_address(2)});
}

TEST_CASE("who looks goes on until it is told to stop, and finds who comes later") {
  Meeting meeting;
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(3s);
  CHECK(guest.client.answered() == 1);
  CHECK(all<CandidatesFound>(guest).empty());
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(2s);
  CHECK(all<CandidatesFound>(guest).size() == 1);
  guest.client.stop_looking();
  const size_t before = guest.sent;
  meeting.run(10s);
  CHECK(guest.sent == before);
}

TEST_CASE("a new supernode registers beside the dead one, which is forgotten in time") {
  Meeting meeting;
  Meeting::Member& old = meeting.add(1);
  old.client.enrol(meeting.now, 1, {});
  meeting.run(5s);
  meeting.lost = [&](const Meeting::Flying& one) { return one.from == member_address(1); };
  Meeting::Member& heir = meeting.add(2);
  heir.client.enrol(meeting.now, 2, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(3);
  guest.client.look_up(meeting.now, {});
  meeting.run(1s);
  CHECK(all<CandidatesFound>(guest).back().second.addresses ==
        std::vector<Address>{member_address(2), member_address(1)});
  meeting.run(60s);
  CHECK(all<CandidatesFound>(guest).back().second.addresses ==
        std::vector<Address>{member_address(2)});
}

TEST_CASE("who leaves is gone at once, with one packet") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(15s);
  const size_t before = host.sent;
  host.client.leave(meeting.now);
  meeting.run(30ms);
  CHECK(host.sent - before == 1);
  CHECK(meeting.servers.begin()->second.stats().keeps == 1);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(10s);
  CHECK(all<CandidatesFound>(guest).empty());
  CHECK(host.client.next_timeout() == mrt::never);
  CHECK(host.sent - before == 1);
}

TEST_CASE("a registration that somebody took back in its node's name is there again in a second") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  uint64_t transaction = 0;
  for (const auto& [at, one] : meeting.log) {
    const auto said = parse_rendezvous(one.bytes);
    const auto* registration = said ? std::get_if<Registration>(&*said) : nullptr;
    if (registration != nullptr) transaction = registration->transaction;
  }
  const Keep forged{transaction, meeting.key.id(), {1}, true};
  meeting.deliver({host.address, server_address(1), write_rendezvous(forged)});
  Meeting::Member& guest = meeting.add(2);
  meeting.run(1200ms);
  guest.client.look_up(meeting.now, {});
  meeting.run(200ms);
  CHECK(all<CandidatesFound>(guest).size() == 1);
  // Also where the answer to what was forged does not come: with the next Keep.
  meeting.lost = [&](const Meeting::Flying& one) { return one.from == server_address(1); };
  meeting.deliver({host.address, server_address(1), write_rendezvous(forged)});
  meeting.run(100ms);
  meeting.lost = [](const Meeting::Flying&) { return false; };
  meeting.run(16s);
  Meeting::Member& later = meeting.add(3);
  later.client.look_up(meeting.now, {});
  meeting.run(200ms);
  CHECK(all<CandidatesFound>(later).size() == 1);
}

TEST_CASE("who leaves and nobody answers falls silent") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  meeting.lost = [](const Meeting::Flying&) { return true; };
  const size_t before = host.sent;
  host.client.leave(meeting.now);
  meeting.run(60s);
  CHECK(host.sent - before == 3);
  CHECK(host.client.next_timeout() == mrt::never);
}

TEST_CASE("what changes is said at once, and what has not is not said again") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  const size_t before = host.sent;
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  CHECK(host.sent == before);
  const Address lan = Address::v4(10, 0, 0, 1, 7777);
  host.client.enrol(meeting.now, 5, {{lan}});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(1s);
  CHECK(all<CandidatesFound>(guest)[0].second.addresses ==
        std::vector<Address>{member_address(1), lan});
}

TEST_CASE("another key is another network: the old one is left, the new one looked up") {
  Meeting meeting;
  const RendezvousKey other(open_rendezvous_seed("other"));
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  host.client.set_key(meeting.now, other);
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(1s);
  CHECK(all<CandidatesFound>(guest).empty());
  guest.client.set_key(meeting.now, other);
  meeting.run(1s);
  CHECK(all<CandidatesFound>(guest).size() == 1);
}

TEST_CASE("a key that comes late is waited for") {
  Meeting meeting;
  meeting.members.reserve(2);
  RendezvousClientConfig config{{server_address(1)}, {1}};
  Meeting::Member& host =
      meeting.members.emplace_back(Meeting::Member{member_address(1), {config, mrt::seed_from(5)}});
  host.client.enrol(meeting.now, 1, {});
  host.client.look_up(meeting.now, {});
  meeting.run(5s);
  CHECK(host.sent == 0);
  host.client.set_key(meeting.now, meeting.key);
  meeting.run(1s);
  CHECK(all<RegistrationChanged>(host).size() == 1);
  // Oneself is nobody whom one looks for.
  CHECK(all<CandidatesFound>(host).empty());
}

TEST_CASE("several servers introduce the same peer once") {
  Meeting meeting(3);
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(800ms);
  CHECK(all<PeerIntroduced>(host).size() == 1);
  // A second later again: the first word may have been lost on its way through the NAT.
  meeting.run(1s);
  CHECK(all<PeerIntroduced>(host).size() == 2);
}

TEST_CASE(
    "where a server saw somebody is told apart from what that one says, and that its ports vary") {
  for (const bool symmetric : {true, false}) {
    Meeting meeting;
    Meeting::Member& host = meeting.add(1);
    const Address lan = Address::v4(10, 0, 0, 1, 7777), home = Address::v4(192, 168, 7, 7, 7777);
    host.client.enrol(meeting.now, 1, {{lan}, symmetric});
    meeting.run(1s);
    Meeting::Member& guest = meeting.add(2);
    guest.client.look_up(meeting.now, {{home}, !symmetric});
    meeting.run(200ms);
    CHECK(all<CandidatesFound>(guest).at(0).second.seen ==
          std::vector{SeenHost{member_address(1), symmetric}});
    CHECK(all<PeerIntroduced>(host).at(0).second.seen == SeenHost{member_address(2), !symmetric});
  }
}

TEST_CASE("that one's NAT turns out to vary its ports is said at once by both sides") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  guest.client.look_up(meeting.now, {});
  meeting.run(1'150ms);
  CHECK(!all<PeerIntroduced>(host).back().second.seen->symmetric);
  guest.client.look_up(meeting.now, {{}, true});
  meeting.run(60ms);
  CHECK(all<PeerIntroduced>(host).back().second.seen->symmetric);

  CHECK(!all<CandidatesFound>(guest).back().second.seen.at(0).symmetric);
  host.client.enrol(meeting.now, 1, {{}, true});
  meeting.run(1'100ms);
  CHECK(all<CandidatesFound>(guest).back().second.seen.at(0).symmetric);
}
