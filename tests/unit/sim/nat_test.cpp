// SPDX-License-Identifier: MIT
#include "node/sim/nat.h"

#include <doctest/doctest.h>

#include "node/sim/world.h"

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Instant;
using node::sim::Depends;
using node::sim::HostId;
using node::sim::Nat;
using node::sim::NatSpec;
using node::sim::World;

namespace {

constexpr auto kinds = {Depends::on_nothing, Depends::on_address, Depends::on_address_and_port};
const Address inside = Address::v4(10, 0, 0, 1, 7700);
const Address peer = Address::v4(192, 0, 2, 1, 5000);
const Address other_port = Address::v4(192, 0, 2, 1, 5001);
const Address stranger = Address::v4(192, 0, 2, 9, 5000);
const Instant start{1s};

Nat nat_of(const NatSpec& spec) { return {spec, Address::v4(198, 18, 0, 1, 0), mrt::seed_from(1)}; }

}  // namespace

TEST_CASE("a mapping is good for what its kind says, and only that") {
  for (const Depends kind : kinds) {
    CAPTURE(static_cast<int>(kind));
    Nat nat = nat_of({.mapping = kind});
    const Address first = nat.send_out(start, inside, peer);
    CHECK(first == nat.send_out(start, inside, peer));
    CHECK((first == nat.send_out(start, inside, other_port)) ==
          (kind != Depends::on_address_and_port));
    CHECK((first == nat.send_out(start, inside, stranger)) == (kind == Depends::on_nothing));
  }
}

TEST_CASE("a filter lets in whom its kind says, and only those") {
  for (const Depends kind : kinds) {
    CAPTURE(static_cast<int>(kind));
    Nat nat = nat_of({.filtering = kind});
    CHECK(!nat.let_in(start, inside.port, peer));
    const uint16_t port = nat.send_out(start, inside, peer).port;
    CHECK(nat.let_in(start, port, peer) == inside);
    CHECK(nat.let_in(start, port, other_port).has_value() ==
          (kind != Depends::on_address_and_port));
    CHECK(nat.let_in(start, port, stranger).has_value() == (kind == Depends::on_nothing));
    CHECK(!nat.let_in(start, static_cast<uint16_t>(port + 1), peer));
  }
}

TEST_CASE("only what goes out keeps a mapping, and a reboot ends all") {
  Nat nat = nat_of({.keeps_ports = false, .timeout = 20s});
  const Address seen = nat.send_out(start, inside, peer);
  CHECK(seen.port != inside.port);
  CHECK(nat.let_in(start + 19s, seen.port, peer));  // which does not prolong it
  CHECK(!nat.let_in(start + 20s, seen.port, peer));
  nat = nat_of({.keeps_ports = false, .timeout = 20s});
  nat.send_out(start, inside, peer);
  CHECK(nat.send_out(start + 19s, inside, peer) == seen);
  CHECK(nat.let_in(start + 38s, seen.port, peer));
  // Another one was spoken to only at the beginning.
  nat.send_out(start + 38s, inside, stranger);
  CHECK(nat.let_in(start + 57s, seen.port, stranger));
  CHECK(!nat.let_in(start + 57s, seen.port, peer));
  nat.reboot();
  CHECK(!nat.let_in(start + 57s, seen.port, stranger));
  CHECK(nat.send_out(start + 57s, inside, peer) != seen);
}

TEST_CASE("a port is kept where it is free") {
  Nat nat = nat_of({});
  CHECK(nat.send_out(start, inside, peer).port == inside.port);
  const Address second = Address::v4(10, 0, 0, 2, 7700);
  const uint16_t drawn = nat.send_out(start, second, peer).port;
  CHECK(drawn != inside.port);
  CHECK(drawn >= 1'024);
  CHECK(nat.let_in(start, drawn, peer) == second);
}

namespace {

/// Sends what it is told to, and keeps whom it heard.
class Speaker final : public node::sim::Program {
 public:
  void on_datagrams(Instant, const mrt::Path& path, mrt::Ecn, size_t, mrt::MutableBytes) override {
    heard.push_back(path.remote);
  }
  Instant turn(Instant, node::sim::Outbox& outbox) override {
    for (const Address& to : std::exchange(to_, {})) {
      outbox.transmit_buffer()[0] = '.';
      outbox.transmit({{{}, to}, 1, 1});
    }
    return mrt::never;
  }
  void say_to(const Address& to) { to_.push_back(to); }

  std::vector<Address> heard;

 private:
  std::vector<Address> to_;
};

struct Town {
  HostId add(std::optional<HostId> gateway = std::nullopt) {
    const HostId host = world.add_host();
    if (gateway) world.put_behind(host, *gateway);
    world.start(host, std::make_unique<Speaker>());
    return host;
  }
  Speaker& at(HostId host) { return dynamic_cast<Speaker&>(*world.program(host)); }
  /// Whether it arrives.
  bool says(HostId from, const Address& to, HostId hears) {
    const size_t before = at(hears).heard.size();
    at(from).say_to(to);
    world.wake(from);
    world.run_until(world.now() + 100ms);
    return at(hears).heard.size() > before;
  }

  World world{{.link = {.delay = 1ms}}};
};

}  // namespace

TEST_CASE("two behind NATs hear each other once both have spoken") {
  Town town;
  const HostId anna = town.add(town.world.add_gateway({}));
  const HostId bert = town.add(town.world.add_gateway({.keeps_ports = false}));
  const Address annas = town.world.address_for(anna, bert);
  const Address berts = town.world.address_for(bert, anna);
  CHECK(annas.to_string() == "198.18.0.1:7700");
  CHECK(!town.says(bert, town.world.address(anna), anna));  // a private address
  CHECK(!town.says(bert, annas, anna));
  CHECK(town.says(anna, berts, bert));
  CHECK(town.at(bert).heard.back() == annas);
  CHECK(town.says(bert, annas, anna));
  CHECK(town.at(anna).heard.back() == berts);
  town.world.reboot(*town.world.gateway(anna));
  CHECK(!town.says(bert, annas, anna));
}

TEST_CASE("a NAT looks at what arrives when it arrives") {
  Town town;
  const HostId anna = town.add(town.world.add_gateway({}));
  const HostId bert = town.add();
  town.at(bert).say_to(Address::v4(198, 18, 0, 1, 7700));
  town.world.wake(bert);
  town.world.run_until(town.world.now() + 500us);
  CHECK(town.says(anna, town.world.address(bert), bert));
  CHECK(town.at(anna).heard.size() == 1);  // hers was sent before his arrived
}

TEST_CASE("those behind one gateway reach each other inside, and from outside where it hairpins") {
  for (const bool hairpins : {false, true}) {
    CAPTURE(hairpins);
    Town town;
    const HostId gateway =
        town.world.add_gateway({.filtering = Depends::on_nothing, .hairpins = hairpins});
    const HostId anna = town.add(gateway);
    const HostId bert = town.add(gateway);
    const HostId carl = town.add();
    CHECK(town.says(anna, town.world.address_for(bert, anna), bert));
    CHECK(town.at(bert).heard.back() == town.world.address(anna));
    CHECK(town.says(bert, town.world.address_for(bert, carl), bert) == hairpins);
    const Address berts = town.world.address_for(bert, carl);
    CHECK(town.says(anna, berts, bert) == hairpins);
    if (hairpins) CHECK(town.at(bert).heard.back() == town.world.address_for(anna, carl));
    CHECK(town.says(carl, berts, bert));
  }
}

TEST_CASE("a cut between two keeps them apart behind gateways as well") {
  Town town;
  const HostId anna = town.add(town.world.add_gateway({.filtering = Depends::on_nothing}));
  const HostId bert = town.add();
  const Address annas = town.world.address_for(anna, bert);
  CHECK(town.says(bert, annas, anna));
  town.world.partition({{anna}});
  CHECK(!town.says(bert, annas, anna));
  CHECK(!town.says(anna, town.world.address(bert), bert));
  town.world.heal();
  CHECK(town.says(bert, annas, anna));
}
