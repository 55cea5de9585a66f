// SPDX-License-Identifier: MIT
//
// What nodes behind real NATs say of them, with a rendezvous outside that answers STUN.
#include <doctest/doctest.h>

#include <optional>
#include <tuple>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

/// A host in the middle with a STUN server, and nodes around it.
struct Watched {
  Watched() : middle(world.add(Nat::none)) {
    // Two addresses and two ports: all that RFC 5780 asks of a server.
    world.add_address(middle, "203.0.113.250");
    Launch launch{{"rendezvous", "--json", "--bind", middle.address + ":7700", "--bind",
                   "203.0.113.250:7700"},
                  star.folder("middle")};
    launch.network = middle.network;
    server.emplace(launch, "server", star.folder("server"));
    server->await_event("listening");
  }
  Node& start(const std::string& nick, const net::Host& host) {
    return star.start(nick, {"host", "--stun", middle.address + ":7700"},
                      {"0.0.0.0:7700", host.network});
  }

  net::World world;
  Star star;
  const net::Host& middle;
  std::optional<Node> server;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("a node says which NAT it is behind, and at which address it is called") {
  if (net::World::is_skipped()) return;
  Watched all;
  const std::tuple<Nat, const char*, const char*> kinds[] = {
      {Nat::none, "open", "endpoint-independent"},
      {Nat::full_cone, "full-cone", "endpoint-independent"},
      {Nat::restricted, "restricted", "endpoint-independent"},
      {Nat::port_restricted, "port-restricted", "endpoint-independent"},
      {Nat::symmetric, "symmetric", "address-and-port-dependent"}};
  std::vector<std::pair<Node*, const net::Host*>> nodes;
  for (const auto& [kind, type, mapping] : kinds) {
    const net::Host& host = all.world.add(kind);
    nodes.emplace_back(&all.start(net::name_of(kind), host), &host);
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    const auto& [kind, type, mapping] = kinds[i];
    const auto& [node, host] = nodes[i];
    CAPTURE(std::string(net::name_of(kind)));
    const Json& nat = node->await_event("nat");
    CHECK(nat["type"] == type);
    CHECK(nat["mapping"] == mapping);
    const std::string mapped = nat["mapped"];
    CHECK(mapped.starts_with(host->public_address + ":"));
    if (kind != Nat::symmetric) CHECK(mapped.ends_with(":7700"));
  }
}

TEST_CASE("an invite leads in from beyond a full-cone NAT") {
  if (net::World::is_skipped()) return;
  Watched all;
  const net::Host& inside = all.world.add(Nat::full_cone);
  const net::Host& outside = all.world.add(Nat::port_restricted);
  Node& ann = all.start("ann", inside);
  // Another one than it said at its start: the mapped address is in it.
  const Json& invite = ann.await_event("invite", [&](const Json& one) {
    return one.at("invite") != ann.find("invite")->at("invite");
  });
  Node& bob = all.star.open("bob", {"join", invite["invite"]}, {"0.0.0.0:0", outside.network});
  bob.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
}

TEST_CASE("when its host gets another address a node looks again") {
  if (net::World::is_skipped()) return;
  Watched all;
  const net::Host& host = all.world.add(Nat::none);
  Node& ann = all.start("ann", host);
  ann.await_event("nat");
  all.world.readdress(host, "203.0.113.200");
  const Json& nat = ann.await_event(
      "nat", [](const Json& one) { return one.at("mapped") == "203.0.113.200:7700"; });
  CHECK(nat["type"] == "open");
}

TEST_CASE("a name server that is silent holds nobody up") {
  if (net::World::is_skipped()) return;
  net::World world;
  Star star;
  const net::Host& host = world.add(Nat::port_restricted);
  world.swallow(host);
  Node& ann =
      star.open("ann", {"host", "--stun", "stun.example.org:3478"}, {"0.0.0.0:7700", host.network});
  ann.say("T here");
  ann.await_event("chat");
  ann.quit();
}

TEST_CASE("doctor --long measures when a mapping ends, and stops at once where it is told to") {
  if (net::World::is_skipped()) return;
  Watched all;
  const net::Host& host = all.world.add(Nat::port_restricted);
  all.world.forget_after(host, 5);
  Launch launch = all.star.launch({"doctor", "--long", "--stun", all.middle.address + ":7700"});
  launch.network = host.network;
  const auto has = [](const Program& program, const char* words) {
    return program.output().find(words) != std::string::npos;
  };
  Program measuring(launch), stopped(launch);
  Program::await("the NAT", [&] { return has(stopped, "port-restricted"); });
  stopped.signal(SIGINT);
  CHECK(stopped.await_end() == 130);
  CHECK(!measuring.ended());
  CHECK(measuring.await_end(Seconds{30}) == 0);
  CHECK(has(measuring, "FAULT IPv4: a mapping lives less than 11 s without traffic"));
}
