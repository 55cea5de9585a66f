// SPDX-License-Identifier: MIT
//
// A star that outlives its supernode although all of its nodes are behind real NATs: nobody types
// an address but to come in.
#include <doctest/doctest.h>

#include <csignal>
#include <vector>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

constexpr Nat kinds[] = {Nat::port_restricted, Nat::port_restricted, Nat::port_restricted,
                         Nat::full_cone, Nat::port_restricted};

/// Anna hosts; each of the others comes by her `A` and his `C`.
struct Hidden {
  Hidden() {
    for (const Nat kind : kinds) hosts.push_back(&world.add(kind));
    for (const char* nick : {"anna", "ben", "carl", "dora"}) open(nick);
    for (size_t i = 1; i < nodes.size(); ++i) {
      nodes[0]->say("A " + hosts[i]->public_address + " 7700");
      nodes[i]->say("C " + hosts[0]->public_address + " 7700");
      is_member(*nodes[i]);
    }
  }
  Node& open(const char* nick) {
    const net::Host& host = *hosts[nodes.size()];
    nodes.push_back(&star.open(
        nick, {"host"}, {"0.0.0.0:7700", host.network, {{"THUBAN_PASSWORD", "between us"}}}));
    return *nodes.back();
  }
  static void is_member(Node& node) {
    node.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
  }
  /// Whether it has a connection to each of the first two who may take over.
  static bool is_ready(const Node& node) {
    const Json* roster = node.last("roster");
    size_t direct = 0;
    for (const Json& peer : roster->at("peers")) {
      const int rank = peer.at("rank");
      const bool next = (rank == 1 || rank == 2) && peer.at("node") != node.id();
      if (next && peer.at("path") != "direct") return false;
      direct += next ? 1 : 0;
    }
    return direct > 0 && roster->at("peers").size() == 4;
  }
  static void await_ready(Node& node) {
    Program::await(node.nick() + "'s direct paths", [&] { return is_ready(node); });
  }

  net::World world;
  std::vector<const net::Host*> hosts;
  Star star;
  std::vector<Node*> nodes;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE(
    "behind port-restricted NATs a supernode that is killed is followed, and leads others in") {
  if (net::World::is_skipped()) return;
  Hidden hidden;
  Node& anna = *hidden.nodes[0];
  const std::vector<Node*> others(hidden.nodes.begin() + 1, hidden.nodes.end());
  for (Node* node : others) Hidden::await_ready(*node);
  anna.signal(SIGKILL);
  const auto killed = Clock::now();
  anna.await_end();
  for (Node* node : others) {
    node->await_event("migrated", [](const Json& e) { return e.at("reason") == "lost"; });
  }
  CHECK(since(killed) < 2);
  others[1]->say("T still here");
  for (Node* node : others) {
    node->await_event("chat", [](const Json& chat) { return chat.at("text") == "still here"; });
    // Nobody had to come in anew.
    CHECK(node->count("left", [&](const Json& e) { return e.at("node") != anna.id(); }) == 0);
  }
  // Who comes now calls the one whose NAT lets everybody in, and is led to who leads.
  Node& emil = hidden.open("emil");
  emil.say("C " + hidden.hosts[3]->public_address + " 7700");
  Hidden::is_member(emil);
  emil.say("T found you");
  others[0]->await_event("chat", [](const Json& chat) { return chat.at("text") == "found you"; });
}
