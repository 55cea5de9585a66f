// SPDX-License-Identifier: MIT
//
// `A IP PORT` on one side and `C IP PORT` on the other, through real NATs (docs/CLI.md).
#include <doctest/doctest.h>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

/// Anna hosts a star, Ben comes: each alone behind a NAT, and both have the same password.
struct Pair {
  Pair(Nat annas, Nat bens)
      : anna_host(world.add(annas)),
        ben_host(world.add(bens)),
        anna(open("anna", anna_host)),
        ben(open("ben", ben_host)) {}

  Node& open(const std::string& nick, const net::Host& host) {
    return star.open(nick, {"host"},
                     {"0.0.0.0:7700", host.network, {{"THUBAN_PASSWORD", "between us"}}});
  }
  void allow() { anna.say("A " + ben_host.public_address + " 7700"); }
  void connect() { ben.say("C " + anna_host.public_address + " 7700"); }
  void check_chat() {
    ben.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
    ben.say("T through");
    anna.await_event("chat", [](const Json& chat) { return chat.at("text") == "through"; });
  }

  net::World world;
  Star star;
  const net::Host& anna_host;
  const net::Host& ben_host;
  Node& anna;
  Node& ben;
};

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("two behind NATs that keep a port meet by A and C") {
  if (net::World::is_skipped()) return;
  for (const Nat annas : {Nat::full_cone, Nat::restricted, Nat::port_restricted}) {
    for (const Nat bens : {Nat::full_cone, Nat::restricted, Nat::port_restricted}) {
      CAPTURE(std::string(net::name_of(annas)));
      CAPTURE(std::string(net::name_of(bens)));
      Pair pair(annas, bens);
      pair.allow();
      pair.connect();
      pair.check_chat();
    }
  }
}

TEST_CASE("A and C may come seconds apart, in either order") {
  if (net::World::is_skipped()) return;
  for (const bool allows_first : {true, false}) {
    CAPTURE(allows_first);
    Pair pair(Nat::port_restricted, Nat::port_restricted);
    allows_first ? pair.allow() : pair.connect();
    // As long as people take to say on the telephone that they have typed it.
    Program::run_until([] { return false; }, Seconds{3});
    allows_first ? pair.connect() : pair.allow();
    pair.check_chat();
  }
}

TEST_CASE("who has a public address is reached from behind any NAT, and needs no A") {
  if (net::World::is_skipped()) return;
  for (const Nat bens :
       {Nat::none, Nat::full_cone, Nat::restricted, Nat::port_restricted, Nat::symmetric}) {
    CAPTURE(std::string(net::name_of(bens)));
    Pair pair(Nat::none, bens);
    pair.connect();
    pair.check_chat();
  }
}

TEST_CASE("from behind a symmetric NAT A and C lead to whoever does not look at ports") {
  if (net::World::is_skipped()) return;
  for (const Nat annas : {Nat::full_cone, Nat::restricted}) {
    CAPTURE(std::string(net::name_of(annas)));
    Pair pair(annas, Nat::symmetric);
    pair.allow();
    pair.connect();
    pair.check_chat();
  }
}

TEST_CASE(
    "who has a symmetric NAT opens it for one who does not look at ports, before or after C") {
  if (net::World::is_skipped()) return;
  for (const Nat bens : {Nat::none, Nat::restricted}) {
    for (const bool allows_first : {true, false}) {
      CAPTURE(std::string(net::name_of(bens)));
      CAPTURE(allows_first);
      Pair pair(Nat::symmetric, bens);
      allows_first ? pair.allow() : pair.connect();
      Program::run_until([] { return false; }, Seconds{1});
      allows_first ? pair.connect() : pair.allow();
      pair.check_chat();
    }
  }
}

TEST_CASE("where a symmetric NAT hides the port, C says that nobody answered") {
  if (net::World::is_skipped()) return;
  Pair pair(Nat::port_restricted, Nat::symmetric);
  pair.allow();
  pair.connect();
  pair.ben.await_error("timeout");
}
