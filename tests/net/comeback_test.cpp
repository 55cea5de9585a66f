// SPDX-License-Identifier: MIT
//
// Stars behind real NATs that forget: gateways that are switched off and on, and such that keep a
// mapping for seconds only. Nobody types an address; a rendezvous is in the middle.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <vector>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

/// Anna hosts "lab", Ben and Carl come by its name, each alone behind a NAT.
struct Street {
  explicit Street(int seconds = 0) : middle(world.add(Nat::none)) {
    Launch launch{{"rendezvous", "--json", "--bind", middle.address + ":7700"},
                  star.folder("middle")};
    launch.network = middle.network;
    rendezvous.emplace(launch, "rendezvous", star.folder("rendezvous"));
    rendezvous->await_event("listening");
    for (const char* nick : {"anna", "ben", "carl"}) {
      hosts.push_back(&world.add(Nat::port_restricted));
      if (seconds > 0) world.forget_after(*hosts.back(), seconds);
      open(nick, *hosts.back());
    }
    await_together();
  }
  Node& open(const std::string& nick, const net::Host& host) {
    std::vector<std::string> arguments{"join", "lab"};
    if (nodes.empty()) arguments = {"host", "--network", "lab"};
    arguments.insert(arguments.end(), {"--open", "--rendezvous", middle.address + ":7700"});
    nodes.push_back(&star.open(nick, arguments, {"0.0.0.0:7700", host.network}));
    return *nodes.back();
  }
  void await_together() { star.settle(Seconds{30}); }
  /// Each says something; all hear all of it, sooner or later.
  void say_all(const std::string& when) {
    for (Node* node : nodes) {
      node->say("T " + node->nick() + " " + when);
      said.push_back(node->nick() + " " + when);
    }
  }
  void check_all_heard() {
    for (const Node* node : nodes) {
      const auto hears = [node](const std::string& text) {
        return node->find("chat", [&](const Json& chat) { return chat.at("text") == text; });
      };
      Program::await(
          node->nick() + " to hear all", [&] { return std::ranges::all_of(said, hears); },
          Seconds{30});
    }
  }

  net::World world;
  Star star;
  const net::Host& middle;
  std::optional<Node> rendezvous;
  std::vector<const net::Host*> hosts;
  std::vector<Node*> nodes;
  std::vector<std::string> said;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("where a gateway is switched off and on its node comes back, and nothing is lost") {
  if (net::World::is_skipped()) return;
  // A member's, and the supernode's.
  for (const size_t whose : {1u, 0u}) {
    CAPTURE(whose);
    Street street;
    street.say_all("before");
    street.check_all_heard();
    street.world.reboot(*street.hosts[whose]);
    const auto rebooted = Clock::now();
    street.say_all("meanwhile");
    street.check_all_heard();
    street.await_together();
    street.say_all("after");
    street.check_all_heard();
    MESSAGE("together again after " << since(rebooted) << " s");
  }
}

TEST_CASE("through NATs that forget after 20 s a star stays up, and is found" * doctest::skip()) {
  if (net::World::is_skipped()) return;
  Street street(20);
  street.say_all("before");
  street.check_all_heard();
  CHECK(!Program::run_until(
      [&] {
        return std::any_of(street.nodes.begin(), street.nodes.end(), [](const Node* node) {
          return node->count("left") + node->count("migrated") > 0;
        });
      },
      Seconds{70}));
  street.say_all("after");
  street.check_all_heard();
  const auto begun = Clock::now();
  Node& dora = street.open("dora", street.world.add(Nat::port_restricted));
  dora.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
  MESSAGE("found within " << since(begun) << " s");
  street.await_together();
}

// By hand: it takes three minutes and more.
TEST_CASE("who was away for three minutes comes back by itself, and nothing is lost" *
          doctest::skip()) {
  if (net::World::is_skipped()) return;
  constexpr size_t supernode = 0, member = 1;
  struct Away {
    const char* what;
    size_t whose;
    bool is_stopped;  // as a laptop is that sleeps; else it has no network
    Street street{};
  };
  Away all[] = {{"a member without a network", member, false},
                {"the supernode without a network", supernode, false},
                {"a member that slept", member, true},
                {"the supernode that slept", supernode, true}};
  for (Away& away : all) {
    away.street.say_all("before");
    away.street.check_all_heard();
    away.is_stopped ? away.street.nodes[away.whose]->signal(SIGSTOP)
                    : away.street.world.unplug(*away.street.hosts[away.whose]);
    away.street.say_all("meanwhile");
  }
  Program::run_until([] { return false; }, Seconds{180});
  for (Away& away : all) {
    Street& street = away.street;
    away.is_stopped ? street.nodes[away.whose]->signal(SIGCONT)
                    : street.world.plug(*street.hosts[away.whose]);
    const auto begun = Clock::now();
    street.await_together();
    MESSAGE(std::string(away.what), ": together again after ", since(begun), " s");
    street.say_all("after");
    street.check_all_heard();
  }
}

TEST_CASE("a host that gets another address stays in its star, and all are told where it is") {
  if (net::World::is_skipped()) return;
  net::World world;
  Star star;
  std::vector<const net::Host*> hosts;
  std::vector<Node*> nodes;
  for (const char* nick : {"anna", "ben", "carl"}) {
    hosts.push_back(&world.add(Nat::none));
    std::vector<std::string> arguments{"host", "--open"};
    if (!nodes.empty()) arguments = {"join", hosts[0]->address + ":7700", "--open"};
    nodes.push_back(&star.open(nick, arguments, {"0.0.0.0:7700", hosts.back()->network}));
  }
  star.settle();
  // The supernode last: nobody looks for it at its old address then.
  for (const size_t who : {1u, 0u}) {
    const std::string address = "203.0.113." + std::to_string(200 + who);
    world.readdress(*hosts[who], address);
    const auto knows = [&](const Node* node) {
      const Json& peers = node->last("roster")->at("peers");
      return std::ranges::any_of(peers, [&](const Json& peer) {
        return peer.at("node") == nodes[who]->id() && peer.at("addr") == address + ":7700";
      });
    };
    Program::await("all to know of " + address, [&] { return std::ranges::all_of(nodes, knows); });
  }
  nodes[2]->say("T still here");
  for (Node* node : nodes) {
    node->await_event("chat", [](const Json& chat) { return chat.at("text") == "still here"; });
    CHECK(node->count("left") + node->count("migrated") == 0);
  }
}
