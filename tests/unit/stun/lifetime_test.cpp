// SPDX-License-Identifier: MIT
#include "stun/lifetime.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>

#include "unit/stun/nat_world.h"

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Duration;
using mrt::Instant;
using namespace stun;
using namespace stun::test;

namespace {

constexpr auto independent = Dependence::endpoint_independent;
constexpr auto by_port = Dependence::address_and_port_dependent;

const Address server = Address::v4(198, 51, 100, 5, 3478);
const Address absent = Address::v4(198, 51, 100, 6, 3478);

LifetimeConfig config(std::vector<Address> servers = {server}) {
  LifetimeConfig out{std::move(servers), Address::v4(10, 0, 0, 2, 4'000), {}};
  for (size_t i = 0; i <= lifetime_pauses.size(); ++i)
    out.resting.push_back(Address::v4(10, 0, 0, 2, static_cast<uint16_t>(4'001 + i)));
  return out;
}

World world_of(Duration lifetime, Dependence mapping = by_port, Dependence filtering = by_port) {
  World world;
  world.nat.mapping = mapping;
  world.nat.filtering = filtering;
  world.nat.lifetime = lifetime;
  world.add_host({server});
  return world;
}

LifetimeFound found_in(World& world, std::vector<Address> servers = {server}) {
  Lifetime machine(world.now, config(std::move(servers)), mrt::seed_from(1));
  const auto events = world.run(machine);
  REQUIRE(events.size() == 1);
  CHECK(world.now < Instant{} + 7min);
  return events.front();
}

}  // namespace

TEST_CASE("a mapping's lifetime is found between two pauses, whichever NAT it is") {
  struct Row {
    Duration lifetime;
    std::optional<Duration> survived, ended;
  };
  const Row rows[] = {{5s, {}, 11s},      {15s, 11s, 17s},  {20s, 17s, 27s},    {30s, 27s, 45s},
                      {60s, 45s, 75s},    {90s, 75s, 110s}, {120s, 110s, 150s}, {180s, 150s, 210s},
                      {5min, 210s, 310s}, {10min, 310s, {}}};
  for (const Dependence mapping : {independent, by_port}) {
    for (const Dependence filtering : {independent, by_port}) {
      for (const Row& row : rows) {
        World world = world_of(row.lifetime, mapping, filtering);
        const LifetimeFound found = found_in(world);
        CHECK(found.survived == row.survived);
        CHECK(found.ended == row.ended);
        // No later than the first pause that is too long takes.
        CHECK(world.now < Instant{} + row.ended.value_or(310s) + 5s);
      }
    }
  }
}

TEST_CASE("lost packets are not taken for the end of a mapping") {
  int found = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    World world = world_of(60s);
    world.random = mrt::Random(mrt::seed_from(seed));
    world.loss = 0.1;
    const LifetimeFound said = found_in(world);
    found += said.survived == 45s && said.ended == 75s;
  }
  CHECK(found >= 195);
}

TEST_CASE("a server that is not there is left for the next, and none at all is nothing known") {
  World world = world_of(20s);
  CHECK(found_in(world, {absent, server}).ended == 27s);
  for (const auto& servers : {std::vector<Address>{absent}, {}, {Address{}}}) {
    World empty = world_of(20s);
    const LifetimeFound found = found_in(empty, servers);
    CHECK(!found.survived);
    CHECK(!found.ended);
  }
}

TEST_CASE("a server that goes away meanwhile is no end of a mapping") {
  World world = world_of(10min);
  Lifetime machine(world.now, config(), mrt::seed_from(1));
  CHECK(world.run(machine, Instant{} + 30s).empty());
  world.hosts.clear();
  const auto events = world.run(machine);
  REQUIRE(events.size() == 1);
  CHECK(events.front().survived == 27s);
  CHECK(!events.front().ended);
}

TEST_CASE("a server that does not know RESPONSE-PORT tells nothing, and is asked no more") {
  Lifetime machine(Instant{}, config(), mrt::seed_from(1));
  std::array<uint8_t, 1'200> buffer;
  int requests = 0;
  while (const auto batch = machine.poll_transmit(Instant{} + requests * 1s, buffer)) {
    ++requests;
    const auto request = read_message(mrt::ByteView(buffer).first(batch->size));
    REQUIRE(request);
    Message out;
    out.id = request->id;
    out.kind = request->response_port ? Kind::error : Kind::success;
    if (request->response_port)
      out.error = ErrorCode{error_unknown_attribute, "no"};
    else
      out.xor_mapped = Address::v4(192, 0, 2, 1, 40'000);
    mrt::Bytes bytes = write_message(out);
    machine.on_datagrams(Instant{} + requests * 1s, batch->path, mrt::Ecn::not_ect, 0, bytes);
    CHECK(machine.is_consistent());
  }
  CHECK(requests == 2);
  const auto found = machine.poll_event();
  REQUIRE(found);
  CHECK(!found->survived);
  CHECK(!found->ended);
  CHECK(!machine.poll_event());
  CHECK(machine.next_timeout() == mrt::never);
}
