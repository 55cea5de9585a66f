// SPDX-License-Identifier: MIT
#include "stun/probe.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "unit/stun/nat_world.h"

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Instant;
using namespace stun;
using namespace stun::test;

namespace {

constexpr auto unknown = Dependence::unknown;
constexpr auto independent = Dependence::endpoint_independent;
constexpr auto by_address = Dependence::address_dependent;
constexpr auto by_port = Dependence::address_and_port_dependent;
constexpr std::array dependences{independent, by_address, by_port};

const Address home = Address::v4(10, 0, 0, 2, 4000);

Address host(uint8_t number, uint16_t port) { return Address::v4(198, 51, 100, number, port); }

/// All that RFC 5780 asks of a server.
World full_world(const NatBox& nat) {
  World world;
  world.nat = nat;
  world.add_host({host(5, 3478), host(5, 3479), host(6, 3478), host(6, 3479)});
  return world;
}

struct Run {
  Behaviour behaviour;
  std::vector<ProbeEvent> events;
  mrt::Duration took;
};

Run run(World& world, std::vector<Address> servers, const Address& local = home) {
  const Instant begun = world.now;
  Address second = local;
  ++second.port;
  Probe probe(world.now, {local, second, std::move(servers)}, mrt::seed_from(1));
  auto events = world.run(probe);
  CHECK(probe.has_concluded());
  return {conclusion(events), events, world.now - begun};
}

}  // namespace

TEST_CASE("a server after RFC 5780 tells all mappings and all filters apart") {
  for (const Dependence mapping : dependences) {
    for (const Dependence filtering : dependences) {
      CAPTURE(to_text(mapping));
      CAPTURE(to_text(filtering));
      World world = full_world({true, mapping, filtering});
      const Run found = run(world, {host(5, 3478)});
      CHECK(found.behaviour.mapping == mapping);
      CHECK(found.behaviour.filtering == filtering);
      CHECK(found.behaviour.type == type_of(true, mapping, filtering));
      CHECK(found.behaviour.mapped == Address::v4(192, 0, 2, 1, 50'000));
      CHECK(found.behaviour.local == home);
      CHECK(found.took < 1'500ms);
    }
  }
}

TEST_CASE("it does so whatever is lost, or nearly") {
  int right = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    World world = full_world({true, by_address, by_address});
    world.random = mrt::Random(mrt::seed_from(seed));
    world.loss = 0.1;
    const Run found = run(world, {host(5, 3478)});
    right += found.behaviour.mapping == by_address && found.behaviour.filtering == by_address;
    CHECK(found.took < 20s);
  }
  CHECK(right >= 198);
}

TEST_CASE("a host without NAT is open, or is named after its filter") {
  for (const Dependence filtering : dependences) {
    World world = full_world({false, independent, filtering});
    const Run found = run(world, {host(5, 3478)});
    CHECK(found.behaviour.mapping == independent);
    CHECK(found.behaviour.filtering == filtering);
    CHECK(found.behaviour.mapped == home);
    CHECK(found.behaviour.type == type_of(false, independent, filtering));
    // Nothing had to be asked of another address to know the mapping.
    for (const Address& to : world.asked) CHECK(to == host(5, 3478));
  }
}

TEST_CASE("a server with two ports tells whether a mapping depends on the port, and no more") {
  for (const Dependence mapping : dependences) {
    for (const Dependence filtering : dependences) {
      World world;
      world.nat = {true, mapping, filtering};
      world.add_host({host(5, 7700), host(5, 7701)});
      const Run found = run(world, {host(5, 7700)});
      CHECK(found.behaviour.mapping == (mapping == by_port ? by_port : independent));
      CHECK(found.behaviour.filtering == (filtering == by_port ? by_port : unknown));
      const NatType type = mapping == by_port     ? NatType::symmetric
                           : filtering == by_port ? NatType::port_restricted
                                                  : NatType::unknown;
      CHECK(found.behaviour.type == type);
    }
  }
}

TEST_CASE("two plain servers tell whether the mapping depends on the address") {
  for (const Dependence mapping : dependences) {
    World world;
    world.nat = {true, mapping, by_port};
    world.add_host({host(5, 3478)});
    world.add_host({host(9, 3478)});
    const Run found = run(world, {host(5, 3478), host(9, 3478)});
    CHECK(found.behaviour.mapping == (mapping == independent ? independent : by_address));
    CHECK(found.behaviour.filtering == unknown);
    CHECK(found.behaviour.type == (mapping == independent ? NatType::unknown : NatType::symmetric));
    CHECK(found.events.size() == 3);
  }
}

TEST_CASE("one plain server tells the address alone") {
  World world;
  world.nat = {true, by_port, by_port};
  world.add_host({host(5, 3478)});
  const Run found = run(world, {host(5, 3478)});
  CHECK(found.behaviour.mapped == Address::v4(192, 0, 2, 1, 50'000));
  CHECK(found.behaviour.mapping == unknown);
  CHECK(found.behaviour.type == NatType::unknown);
  World bare;
  bare.nat.translates = false;
  bare.add_host({host(5, 3478)});
  CHECK(run(bare, {host(5, 3478)}).behaviour.type == NatType::open);
}

TEST_CASE("servers of different kinds complete each other") {
  // One with two ports, one plain on another host: the first tells ports, both together hosts.
  for (const Dependence mapping : dependences) {
    for (const bool plain_first : {false, true}) {
      World world;
      world.nat = {true, mapping, by_port};
      world.add_host({host(5, 7700), host(5, 7701)});
      world.add_host({host(9, 3478)});
      std::vector<Address> servers{host(5, 7700), host(9, 3478)};
      if (plain_first) std::swap(servers[0], servers[1]);
      const Run found = run(world, servers);
      CHECK(found.behaviour.mapping == mapping);
      CHECK(found.behaviour.filtering == by_port);
    }
  }
}

TEST_CASE("nobody who answers means blocked, and is known within five seconds") {
  World world;
  world.add_host({host(5, 3478)});
  world.loss = 1;
  const Run found = run(world, {host(5, 3478), host(9, 3478)});
  CHECK(found.behaviour.type == NatType::blocked);
  CHECK(!found.behaviour.mapped);
  CHECK(found.took <= 5s);
  CHECK(found.events.size() == 3);
  CHECK(std::get<ServerFailed>(found.events[0]).why == Failure::silence);
  CHECK(world.asked.size() == 8);
}

TEST_CASE("a dead server beside a good one changes nothing") {
  World world = full_world({true, independent, by_address});
  const Run found = run(world, {host(77, 3478), host(5, 3478)});
  CHECK(found.behaviour.type == NatType::restricted);
  CHECK(std::holds_alternative<AddressFound>(found.events[0]));
  CHECK(std::get<AddressFound>(found.events[0]).took == 20ms);
}

TEST_CASE("an address that was asked itself is no test of a filter") {
  // Both addresses of the server are in the list: only its ports can still be strangers.
  for (const Dependence filtering : dependences) {
    World world = full_world({true, independent, filtering});
    const Run found = run(world, {host(5, 3478), host(6, 3478)});
    CHECK(found.behaviour.mapping == independent);
    CHECK(found.behaviour.filtering == (filtering == by_port ? by_port : unknown));
  }
  // And here all four: nothing can be told.
  World world = full_world({true, independent, by_port});
  const Run found = run(world, {host(5, 3478), host(6, 3478), host(5, 3479), host(6, 3479)});
  CHECK(found.behaviour.filtering == unknown);
}

TEST_CASE("the silence of a socket that nothing comes out of says nothing about filters") {
  World world = full_world({true, independent, independent});
  world.dead = Address::v4(10, 0, 0, 2, 4001);  // the second one
  const Run found = run(world, {host(5, 3478)});
  CHECK(found.behaviour.mapping == independent);
  CHECK(found.behaviour.filtering == unknown);
  CHECK(found.behaviour.type == NatType::unknown);
}

TEST_CASE("a NAT that turns packets round is told from one that does not") {
  for (const bool hairpins : {false, true}) {
    for (const bool plain : {false, true}) {
      World world;
      world.nat.hairpins = hairpins;
      world.add_host({host(5, 3478)});
      if (!plain) world = full_world({.hairpins = hairpins});
      const Run found = run(world, {host(5, 3478)});
      CHECK(found.behaviour.hairpins == hairpins);
      CHECK(std::count(world.asked.begin(), world.asked.end(), Address::v4(192, 0, 2, 1, 50'000)) ==
            (hairpins ? 1 : probe_requests));
    }
  }
  // A second socket that is dead cannot tell; and without a NAT there is nothing to tell.
  World world = full_world({});
  world.dead = Address::v4(10, 0, 0, 2, 4001);
  CHECK(!run(world, {host(5, 3478)}).behaviour.hairpins);
  World bare = full_world({.translates = false});
  CHECK(!run(bare, {host(5, 3478)}).behaviour.hairpins);
}

TEST_CASE("who is asked nothing knows nothing") {
  World world;
  for (const auto& servers : {std::vector<Address>{},
                              {Address::v4(224, 0, 0, 1, 3478)},
                              {*Address::parse("[2001:db8::1]:3478")}}) {
    const Run found = run(world, servers);
    CHECK(found.behaviour == Behaviour{});
    CHECK(found.took == 0s);
  }
  CHECK(world.asked.empty());
}

TEST_CASE("no more than probe_servers_max are asked, and each once") {
  World world;
  std::vector<Address> servers(5, host(1, 3478));
  for (uint8_t i = 1; i < 50; ++i) servers.push_back(host(i, 3478));
  run(world, servers);
  const std::set<Address> asked(world.asked.begin(), world.asked.end());
  CHECK(asked.size() == probe_servers_max);
  CHECK(world.asked.size() == probe_servers_max * probe_requests);
}

namespace {

/// A probe of one server, host(5, 3478), that is played by hand: what it says to each request,
/// where it says anything. All addresses that were asked.
template <class Answer>
std::vector<Address> play(Behaviour& found, Answer answer) {
  std::vector<Address> asked;
  Instant now{};
  Probe probe(now, {home, home, {host(5, 3478)}}, mrt::seed_from(1));
  while (true) {
    std::array<uint8_t, 1'200> buffer;
    while (const auto batch = probe.poll_transmit(now, buffer)) {
      asked.push_back(batch->path.remote);
      Message message = *read_message(mrt::ByteView(buffer).first(batch->size));
      if (batch->path.remote != host(5, 3478) || !answer(message)) continue;
      mrt::Bytes bytes = write_message(message);
      probe.on_datagrams(now, batch->path, mrt::Ecn::not_ect, 0, bytes);
    }
    while (const auto event = probe.poll_event()) {
      if (const auto* concluded = std::get_if<Concluded>(&*event)) {
        found = concluded->behaviour;
        return asked;
      }
    }
    now = probe.next_timeout();
    probe.on_timeout(now);
  }
}

void refuse(Message& message) {
  message = {Kind::error, message.method, message.id};
  message.error = ErrorCode{error_unknown_attribute, ""};
}

}  // namespace

TEST_CASE("a server that refuses says that packets come back, and nothing else") {
  Behaviour found;
  play(found, [](Message& message) {
    refuse(message);
    return true;
  });
  CHECK(found == Behaviour{});  // not blocked
}

TEST_CASE("a server that refuses to answer from elsewhere says nothing about filters") {
  Behaviour found;
  play(found, [](Message& message) {
    if (message.change) {
      refuse(message);
      return true;
    }
    message.kind = Kind::success;
    message.xor_mapped = home;
    message.other_address = host(6, 3479);
    return true;
  });
  CHECK(found.filtering == unknown);
  CHECK(found.type == NatType::open);
}

TEST_CASE("a server that names a victim as its other address makes nobody flood it") {
  for (const char* named : {"127.0.0.1:22", "224.0.0.1:22", "198.51.100.5:22", "203.0.113.9:3478",
                            "0.0.0.0:5", "[2001:db8::1]:22", "203.0.113.9:22"}) {
    const Address victim = *Address::parse(named);
    Behaviour found;
    const auto asked = play(found, [&victim](Message& message) {
      if (message.change) return false;
      message.kind = Kind::success;
      message.xor_mapped = Address::v4(192, 0, 2, 1, 5);
      message.other_address = victim;
      return true;
    });
    const auto to_victim = std::count_if(asked.begin(), asked.end(), [&](const Address& to) {
      return to.ip == victim.ip && to != host(5, 3478);
    });
    CAPTURE(named);
    // One that could be true is believed: one question, four times.
    CHECK(to_victim == (std::string_view(named) == "203.0.113.9:22" ? probe_requests : 0));
  }
}

TEST_CASE("no more is asked than has to be") {
  World world;
  world.nat = {true, by_address, by_port};
  world.add_host({host(5, 7700), host(5, 7701)});
  world.add_host({host(9, 7700), host(9, 7701)});
  const Run found = run(world, {host(5, 7700), host(9, 7700)});
  CHECK(found.behaviour.mapping == by_address);
  const std::set<Address> asked(world.asked.begin(), world.asked.end());
  // Both hosts, one other port, and ourselves.
  CHECK(asked.size() == 4);
}

TEST_CASE("IPv6 is found out about like IPv4") {
  const auto six = [](const char* text) { return *Address::parse(text); };
  World world;
  world.nat.translates = false;
  world.nat.filtering = by_port;
  world.add_host({six("[2001:db8::5]:3478"), six("[2001:db8::5]:3479"), six("[2001:db8::6]:3478"),
                  six("[2001:db8::6]:3479")});
  const Run found =
      run(world, {host(5, 3478), six("[2001:db8::5]:3478")}, six("[2001:db8::1]:4000"));
  CHECK(found.behaviour.type == NatType::port_restricted);
  CHECK(found.behaviour.mapped == six("[2001:db8::1]:4000"));
}

TEST_CASE("the same seed asks the same, in the same order, at the same times") {
  const auto trace = [] {
    World world = full_world({true, by_port, by_port});
    run(world, {host(5, 3478)});
    return std::pair(world.asked, world.now);
  };
  CHECK(trace() == trace());
}
