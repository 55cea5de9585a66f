// SPDX-License-Identifier: MIT
#include "stun/rendezvous_server.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "stun/rendezvous_key.h"

using namespace stun;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;
using namespace std::chrono_literals;

namespace {

const Instant start{100s};
const Address server_address = Address::v4(198, 51, 100, 1, 7700);
const Address supernode_address = Address::v4(203, 0, 113, 5, 7777);
const Address looker_address = Address::v4(192, 0, 2, 9, 40'000);

struct Sent {
  Path path;
  Bytes bytes;
  RendezvousMessage message;
};

/// A server, and what those at its addresses hear.
struct World {
  RendezvousServer server{mrt::seed_from(1)};
  RendezvousKey key{secret_rendezvous_seed("lab", mrt::as_bytes("0123456789abcdef"))};
  Instant now = start;

  std::vector<Sent> drain() {
    std::vector<Sent> out;
    Bytes buffer(mrt::batch_bytes_max);
    while (const auto batch = server.poll_transmit(now, buffer)) {
      const Bytes bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch->size));
      const auto message = parse_rendezvous(bytes);
      REQUIRE(message);
      out.push_back({batch->path, bytes, *message});
    }
    return out;
  }
  std::vector<Sent> tell_bytes(const Address& from, Bytes bytes,
                               const Address& at = server_address) {
    server.on_datagrams(now, {at, from}, mrt::Ecn::not_ect, bytes.size(), bytes);
    return drain();
  }
  std::vector<Sent> tell(const Address& from, const RendezvousMessage& message) {
    return tell_bytes(from, write_rendezvous(message));
  }
  RendezvousCookie cookie_for(const Address& from) {
    const auto sent = tell(from, Find{});
    REQUIRE(sent.size() == 1);
    return std::get<CookieGiven>(sent[0].message).cookie;
  }
  Registration registration(const Address& from, uint8_t node = 1, uint64_t epoch = 1) {
    Registration out;
    out.transaction = 1'000u + node;
    out.cookie = cookie_for(from);
    out.node = {node};
    out.epoch = epoch;
    out.sequence = 1;
    out.life_seconds = 60;
    out.told = {Address::v4(10, 0, 0, node, 7777)};
    return out;
  }
  std::vector<Sent> enrol(const Address& from, Registration said) {
    key.sign(said);
    return tell(from, said);
  }
  std::vector<Sent> look_up(const Address& from, bool introduce = false,
                            std::vector<Address> told = {}) {
    Find find{5, introduce, cookie_for(from), key.id(), std::move(told)};
    return tell(from, find);
  }
  Found found(const Address& from) {
    const auto sent = look_up(from);
    REQUIRE(sent.size() == 1);
    return std::get<Found>(sent[0].message);
  }
};

RefusalCode refusal(const std::vector<Sent>& sent) {
  REQUIRE(sent.size() == 1);
  REQUIRE(std::holds_alternative<Refusal>(sent[0].message));
  return std::get<Refusal>(sent[0].message).code;
}

}  // namespace

TEST_CASE("a supernode that registers is found where it was seen and where it says") {
  World world;
  const auto answer = world.enrol(supernode_address, world.registration(supernode_address));
  REQUIRE(answer.size() == 1);
  CHECK(answer[0].path == Path{server_address, supernode_address});
  CHECK(std::get<Registered>(answer[0].message) == Registered{1'001, 1, 60, supernode_address});
  const Found found = world.found(looker_address);
  CHECK(found.seen == looker_address);
  REQUIRE(found.supernodes.size() == 1);
  CHECK(found.supernodes[0] ==
        Whereabouts{{1}, 1, supernode_address, {Address::v4(10, 0, 0, 1, 7777)}});
}

TEST_CASE("who shows no cookie, or another's, or an old one, gets a cookie and nothing else") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  const RendezvousCookie own = world.cookie_for(looker_address);
  const RendezvousCookie others = world.cookie_for(supernode_address);
  const auto asks = [&](std::optional<RendezvousCookie> cookie, const Address& from) {
    const auto sent = world.tell(from, Find{5, true, cookie, world.key.id(), {}});
    return sent.size() == 1 && std::holds_alternative<CookieGiven>(sent[0].message);
  };
  CHECK(asks({}, looker_address));
  CHECK(asks(others, looker_address));
  CHECK(asks(RendezvousCookie{}, looker_address));
  Address other_port = looker_address;
  ++other_port.port;
  CHECK(asks(own, other_port));
  CHECK_FALSE(asks(own, looker_address));
  world.now += cookie_life_max;
  CHECK(asks(own, looker_address));
}

TEST_CASE("a cookie is good for as long as a round trip takes at least") {
  for (mrt::Duration at = 0s; at < 20s; at += 1s) {
    World world;
    world.now += at;
    const RendezvousCookie cookie = world.cookie_for(looker_address);
    world.now += cookie_life_max / 2;
    const auto sent = world.tell(looker_address, Find{5, false, cookie, world.key.id(), {}});
    REQUIRE(sent.size() == 1);
    CHECK(std::holds_alternative<Found>(sent[0].message));
  }
}

TEST_CASE("nothing longer than what came goes to an address that has shown no cookie") {
  World world;
  for (uint8_t node = 1; node <= 4; ++node) {
    world.enrol(supernode_address, world.registration(supernode_address, node));
  }
  mrt::Random random(mrt::seed_from(7));
  const auto check = [&](const Bytes& bytes) {
    const auto sent = world.tell_bytes(looker_address, bytes);
    CHECK(sent.size() <= 1);
    for (const Sent& one : sent) {
      CHECK(one.bytes.size() <= bytes.size());
      CHECK(one.path == Path{server_address, looker_address});
    }
  };
  Registration registration;
  registration.cookie = random.array<16>();
  world.key.sign(registration);
  check(write_rendezvous(registration));
  check(write_rendezvous(Find{1, true, {}, world.key.id(), {}}));
  check(write_rendezvous(Find{1, true, random.array<16>(), world.key.id(), {}}));
  check(write_rendezvous(Keep{1'001, world.key.id(), {1}}));
  check(write_rendezvous(Introduction{}));
  check(write_rendezvous(Found{}));
  for (int i = 0; i < 2'000; ++i) {
    Bytes noise(1 + random.below(200));
    random.fill(noise);
    noise[0] = static_cast<uint8_t>(0xd0 + random.below(8));
    if (noise.size() > 1) noise[1] = 1;
    check(noise);
  }
}

TEST_CASE("what is not signed by the network is refused, and the signature binds the address") {
  World world;
  Registration said = world.registration(supernode_address);
  world.key.sign(said);
  Registration changed = said;
  changed.told = {Address::v4(10, 9, 9, 9, 1)};
  CHECK(refusal(world.tell(supernode_address, changed)) == RefusalCode::forged);
  // Somebody who reads along sends it from elsewhere, with a cookie of its own.
  Registration replayed = said;
  replayed.cookie = world.cookie_for(looker_address);
  CHECK(refusal(world.tell(looker_address, replayed)) == RefusalCode::forged);
  // As it is it shows the wrong cookie there.
  const auto sent = world.tell(looker_address, said);
  REQUIRE(sent.size() == 1);
  CHECK(std::holds_alternative<CookieGiven>(sent[0].message));
  CHECK(world.found(looker_address).supernodes.empty());
  CHECK(world.server.stats().forged == 2);
  CHECK(world.tell(supernode_address, said).size() == 1);
  CHECK(world.found(looker_address).supernodes.size() == 1);
}

TEST_CASE("both sides are told of each other at the same moment") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  const Address at_home = Address::v4(192, 168, 1, 7, 40'000);
  const auto sent = world.look_up(looker_address, true, {at_home, Address::v4(127, 0, 0, 1, 9)});
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].path == Path{server_address, supernode_address});
  CHECK(std::get<Introduction>(sent[0].message) == Introduction{1'001, looker_address, {at_home}});
  CHECK(sent[1].path == Path{server_address, looker_address});
  CHECK(std::get<Found>(sent[1].message).supernodes.size() == 1);
  CHECK(world.server.stats().implausible == 1);
}

TEST_CASE("an introduction leaves by the port where the supernode registered") {
  World world;
  Address other_port = server_address;
  other_port.port = 7701;
  Registration said = world.registration(supernode_address);
  world.key.sign(said);
  world.tell_bytes(supernode_address, write_rendezvous(said), other_port);
  const auto sent = world.look_up(looker_address, true);
  REQUIRE(sent.size() == 2);
  CHECK(sent[0].path == Path{other_port, supernode_address});
}

TEST_CASE("a supernode is not flooded with introductions, and who asks is answered all the same") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  size_t introductions = 0;
  for (uint16_t i = 0; i < 300; ++i) {
    Address from = looker_address;
    from.port = static_cast<uint16_t>(1'000 + i);
    const auto sent = world.look_up(from, true);
    REQUIRE_FALSE(sent.empty());
    CHECK(std::holds_alternative<Found>(sent.back().message));
    introductions += sent.size() - 1;
  }
  CHECK(introductions == 100);
  world.now += 1s;
  CHECK(world.look_up(looker_address, true).size() == 2);
}

TEST_CASE("who keeps on is found for ever, who stops for its life and no longer") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  const Keep keep{1'001, world.key.id(), {1}};
  for (int i = 0; i < 10; ++i) {
    world.now += 20s;
    while (world.server.next_timeout() <= world.now) world.server.on_timeout(world.now);
    const auto sent = world.tell(supernode_address, keep);
    REQUIRE(sent.size() == 1);
    CHECK(std::get<Registered>(sent[0].message) == Registered{1'001, 1, 60, supernode_address});
  }
  CHECK(world.found(looker_address).supernodes.size() == 1);
  world.now += 60s;
  CHECK(world.found(looker_address).supernodes.empty());
  CHECK(refusal(world.tell(supernode_address, keep)) == RefusalCode::unknown);
}

TEST_CASE("who comes by both families is found by both, and each registration is kept") {
  World world;
  const Address by_v6 = *Address::parse("[2001:db8::5]:7777");
  for (const Address& from : {supernode_address, by_v6}) {
    Registration said = world.registration(from);
    said.transaction = from.port + from.ip[15];
    world.enrol(from, said);
  }
  for (int i = 0; i < 5; ++i) {
    world.now += 15s;
    while (world.server.next_timeout() <= world.now) world.server.on_timeout(world.now);
    for (const Address& from : {supernode_address, by_v6}) {
      const Keep keep{uint64_t{from.port} + from.ip[15], world.key.id(), {1}};
      const auto sent = world.tell(from, keep);
      REQUIRE(sent.size() == 1);
      CHECK(std::holds_alternative<Registered>(sent[0].message));
    }
  }
  const Found found = world.found(looker_address);
  REQUIRE(found.supernodes.size() == 2);
  CHECK(found.supernodes[0].seen->is_v4() != found.supernodes[1].seen->is_v4());
}

TEST_CASE("a server that was restarted says so at the next word of a supernode") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  world.server = RendezvousServer(mrt::seed_from(2));
  CHECK(refusal(world.tell(supernode_address, Keep{1'001, world.key.id(), {1}})) ==
        RefusalCode::unknown);
  world.enrol(supernode_address, world.registration(supernode_address));
  CHECK(world.found(looker_address).supernodes.size() == 1);
}

TEST_CASE("a supernode that moved to another mapping has to register anew") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  Address moved = supernode_address;
  ++moved.port;
  CHECK(refusal(world.tell(moved, Keep{1'001, world.key.id(), {1}})) == RefusalCode::unknown);
  Registration anew = world.registration(moved);
  anew.sequence = 2;
  world.enrol(moved, anew);
  CHECK(world.found(looker_address).supernodes[0].seen == moved);
}

TEST_CASE("what a node takes back is not found any more") {
  World world;
  world.enrol(supernode_address, world.registration(supernode_address));
  const Keep leave{1'001, world.key.id(), {1}, true};
  const auto sent = world.tell(supernode_address, leave);
  REQUIRE(sent.size() == 1);
  CHECK(std::get<Registered>(sent[0].message).life_seconds == 0);
  CHECK(world.found(looker_address).supernodes.empty());
}

TEST_CASE("no registration lives longer than a dead supernode may be given out") {
  World world;
  Registration said = world.registration(supernode_address);
  said.life_seconds = 65'535;
  const auto sent = world.enrol(supernode_address, said);
  CHECK(std::get<Registered>(sent[0].message).life_seconds == 60);
}

TEST_CASE("addresses that lead nowhere are not stored, loopback is told on this host only") {
  World world;
  const Address loopback = Address::v4(127, 0, 0, 1, 7777), lan = Address::v4(10, 0, 0, 1, 7777);
  // From afar loopback is the server's own.
  Registration said = world.registration(supernode_address);
  said.told = {loopback, lan, Address::v4(224, 0, 0, 1, 1), {}, lan};
  world.enrol(supernode_address, said);
  CHECK(world.found(looker_address).supernodes[0].told == std::vector<Address>{lan});
  CHECK(world.server.stats().implausible == 4);

  // From this host it is what another program here reaches, and nobody elsewhere.
  World here;
  here.server = RendezvousServer(mrt::seed_from(3));
  const Address near_looker = Address::v4(127, 0, 0, 1, 4'000);
  said = here.registration(loopback);
  said.told = {loopback, lan};
  here.enrol(loopback, said);
  CHECK(here.found(near_looker).supernodes[0] == Whereabouts{{1}, 1, loopback, {loopback, lan}});
  CHECK(here.found(looker_address).supernodes[0] == Whereabouts{{1}, 1, {}, {lan}});
  // One who looks from this host is nobody whom a supernode elsewhere could reach.
  World far;
  far.enrol(supernode_address, far.registration(supernode_address));
  CHECK(far.look_up(near_looker, true).size() == 1);
}

TEST_CASE("one address may look up so often, and is told when it is too often") {
  World world;
  const RendezvousCookie cookie = world.cookie_for(looker_address);
  const Find find{5, false, cookie, world.key.id(), {}};
  for (int i = 0; i < 400; ++i) {
    CHECK(std::holds_alternative<Found>(world.tell(looker_address, find)[0].message));
  }
  CHECK(refusal(world.tell(looker_address, find)) == RefusalCode::crowded);
  CHECK(std::holds_alternative<Found>(world.look_up(supernode_address)[0].message));
}

TEST_CASE("datagrams that the kernel joined are answered one by one") {
  World world;
  Bytes run;
  for (uint64_t i = 0; i < 10; ++i) {
    const Bytes one = write_rendezvous(Find{i, false, {}, world.key.id(), {}});
    run.insert(run.end(), one.begin(), one.end());
  }
  world.server.on_datagrams(world.now, {server_address, looker_address}, mrt::Ecn::not_ect,
                            run.size() / 10, run);
  CHECK(world.drain().size() == 10);
}

TEST_CASE("answers that nobody sends are bounded") {
  World world;
  for (size_t i = 0; i < RendezvousServer::outbox_max + 10; ++i) {
    Bytes bytes = write_rendezvous(Find{});
    world.server.on_datagrams(world.now, {server_address, looker_address}, mrt::Ecn::not_ect,
                              bytes.size(), bytes);
  }
  CHECK(world.server.stats().overflown == 10);
  CHECK(world.drain().size() == RendezvousServer::outbox_max);
}

TEST_CASE("a server has nothing to do while it knows nobody, and is never due twice") {
  World world;
  CHECK(world.server.next_timeout() == mrt::never);
  world.enrol(supernode_address, world.registration(supernode_address));
  for (int i = 0; i < 100 && world.server.next_timeout() != mrt::never; ++i) {
    world.now = world.server.next_timeout();
    world.server.on_timeout(world.now);
    CHECK(world.server.next_timeout() > world.now);
  }
  CHECK(world.server.table().entries() == 0);
  CHECK(world.server.next_timeout() == mrt::never);
}
