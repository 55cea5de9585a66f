// SPDX-License-Identifier: MIT
//
// A star that outlives its supernode although all of its nodes are behind real NATs: nobody types
// an address but to come in.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <string>
#include <vector>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

/// Anna hosts; each of the others comes by her `A` and his `C`. Beside dora all are behind
/// port-restricted NATs.
struct Hidden {
  explicit Hidden(Nat doras, std::vector<std::string> more = {}) : options(std::move(more)) {
    options.insert(options.begin(), "host");
    for (const Nat kind : {Nat::port_restricted, Nat::port_restricted, Nat::port_restricted, doras,
                           Nat::port_restricted}) {
      hosts.push_back(&world.add(kind));
    }
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
        nick, options, {"0.0.0.0:7700", host.network, {{"THUBAN_PASSWORD", "between us"}}}));
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
  std::vector<std::string> options;
  std::vector<const net::Host*> hosts;
  Star star;
  std::vector<Node*> nodes;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE(
    "behind port-restricted NATs a supernode that is killed is followed, and leads others in") {
  if (net::World::is_skipped()) return;
  Hidden hidden(Nat::full_cone);
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

// By hand: it measures.
TEST_CASE("behind port-restricted NATs, 50 ms apart, all are at work again after a SIGKILL" *
          doctest::skip()) {
  constexpr double round_trip = 0.05;
  std::vector<double> took;
  for (int run = 0; run < 20; ++run) {
    Hidden hidden(Nat::port_restricted, {"--impair", "delay=25ms"});
    const std::vector<Node*> others(hidden.nodes.begin() + 1, hidden.nodes.end());
    for (Node* node : others) Hidden::await_ready(*node);
    hidden.nodes[0]->signal(SIGKILL);
    const auto killed = Clock::now();
    for (Node* node : others) node->say("T still here");
    Program::await("all words", [&] {
      return std::ranges::all_of(others, [](Node* node) { return node->count("chat") == 3; });
    });
    took.push_back(since(killed));
  }
  std::ranges::sort(took);
  MESSAGE("seconds: median ", took[took.size() / 2], ", worst ", took.back());
  CHECK(took[took.size() / 2] < 0.5 + round_trip);
  CHECK(took.back() < 1 + round_trip);
}
