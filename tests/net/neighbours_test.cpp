// SPDX-License-Identifier: MIT
//
// Stars that are found by their network's name on one host and on one LAN, without a server
// (WIRE.md 10): in namespaces of their own, for nothing of it may reach a real network.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

using Environment = std::map<std::string, std::string>;
const Environment with_password = {{"THUBAN_NAT", "auto"}, {"THUBAN_PASSWORD", "between us"}};
const Environment with_another = {{"THUBAN_NAT", "auto"}, {"THUBAN_PASSWORD", "open barley"}};
const Environment without = {{"THUBAN_NAT", "auto"}};

/// Two hosts on one switch.
struct Lan {
  Node& host(const std::string& nick, const net::Host& at, const std::string& network,
             const Environment& environment, const std::string& bind = "0.0.0.0:0") {
    // No public STUN server is asked in a test.
    return star.open(nick, {"host", "--network", network, "--stun", "none"},
                     {bind, at.network, environment});
  }
  /// `peers`, to its end.
  Outcome peers(const net::Host& at, const std::string& network, const Environment& environment,
                const std::vector<std::string>& options = {}) {
    Launch launch = star.launch({"peers", network});
    launch.arguments.insert(launch.arguments.end(), options.begin(), options.end());
    launch.network = at.network;
    launch.environment = environment;
    return run(launch);
  }

  net::World world;
  Star star;
  const net::Host& one = world.add(Nat::none);
  const net::Host& other = world.add(Nat::none);
};

bool names(const Outcome& said, const std::string& nick) {
  return said.output.find(nick) != std::string::npos;
}
bool complains(const Outcome& said, const std::string& words) {
  return said.complaints.find(words) != std::string::npos;
}

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("programs on one host find each other by name, on loopback alone and with no set-up") {
  if (net::World::is_skipped()) return;
  Lan lan;
  lan.host("anna", lan.one, "lab", without, "127.0.0.1:0");
  lan.host("olga", lan.one, "other", without, "127.0.0.1:0");
  Node& ben = lan.star.open("ben", {"join", "lab"}, {"127.0.0.1:0", lan.one.network, without});
  ben.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
  // On this switch nothing was heard of it.
  const Outcome elsewhere = lan.peers(lan.other, "lab", without);
  CHECK(elsewhere.code == 3);
  CHECK(complains(elsewhere, "answers on this host or its LAN"));
  // From the prompt it goes too.
  Node& carl = lan.star.open("carl", {"--network", "lab"}, {"0.0.0.0:0", lan.one.network, without});
  carl.say("C lab");
  Program::await("carl with both", [&] { return carl.roster().size() == 3; });
}

TEST_CASE("who has come into another network is found there") {
  if (net::World::is_skipped()) return;
  Lan lan;
  lan.host("anna", lan.one, "lab", with_password);
  lan.world.readdress(lan.one, "198.18.7.1");
  lan.world.readdress(lan.other, "198.18.7.2");
  Program::await("anna", [&] { return names(lan.peers(lan.other, "lab", with_password), "anna"); });
}

TEST_CASE("a star on the LAN is found and joined within 300 ms") {
  if (net::World::is_skipped()) return;
  Lan lan;
  lan.host("anna", lan.one, "lab", with_password);
  // One of three, for a busy host may stop any program for longer.
  int64_t least = 300;
  for (const char* nick : {"ben", "carl", "dora"}) {
    Node& node =
        lan.star.open(nick, {"join", "lab"}, {"0.0.0.0:0", lan.other.network, with_password});
    const Json& joined =
        node.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
    const int64_t took =
        joined.at("ts").get<int64_t>() - node.find("listening")->at("ts").get<int64_t>();
    MESSAGE("joined " << took << " ms after listening");
    least = std::min(least, took);
  }
  CHECK(least < 300);
}

TEST_CASE("hosts on one LAN find each other by name and password") {
  if (net::World::is_skipped()) return;
  Lan lan;
  lan.host("anna", lan.one, "lab", with_password);
  lan.host("olga", lan.one, "other", with_password);
  // Another star of that name answers as well: whose password is wrong is passed over.
  lan.host("mallory", lan.other, "lab", with_another);
  for (const net::Host* at : {&lan.one, &lan.other}) {
    const Outcome found = lan.peers(*at, "lab", with_password);
    CHECK_MESSAGE(found.code == 0, found.complaints);
    CHECK(names(found, "anna"));
    CHECK(!names(found, "mallory"));
  }
  CHECK(names(lan.peers(lan.other, "other", with_password), "olga"));
  const Outcome wrong = lan.peers(lan.other, "other", with_another);
  CHECK(wrong.code == 4);
  CHECK(complains(wrong, "the password is wrong"));
  CHECK(lan.peers(lan.other, "other", without).code == 4);
}

TEST_CASE("a member leads to its star where the supernode is not") {
  if (net::World::is_skipped()) return;
  Lan lan;
  // Anna is on loopback only: over the LAN just Ben can be asked, who is on both.
  lan.host("anna", lan.one, "lab", without, "127.0.0.1:0");
  Node& ben = lan.star.open("ben", {"join", "lab"}, {"0.0.0.0:0", lan.one.network, without});
  Program::await("ben's star", [&] { return ben.roster().size() == 2; });
  const Outcome asked = lan.peers(lan.other, "lab", without);
  // It is found; its secret is what is missing.
  CHECK(asked.code == 4);
}

TEST_CASE("nobody of that name: exit 3 at once, and the words say where was looked") {
  if (net::World::is_skipped()) return;
  Lan lan;
  lan.host("anna", lan.one, "lab", with_password);
  const Outcome none = lan.peers(lan.other, "lob", with_password);
  CHECK(none.code == 3);
  CHECK(none.seconds < 5);
  CHECK(complains(none, "nobody of network lob answers on this host or its LAN"));
  // With --nat none nobody is asked, and none answers.
  const Outcome silent = lan.peers(lan.other, "lab", with_password, {"--nat", "none"});
  CHECK(silent.code == 3);
  CHECK(complains(silent, "nobody of network lab was ever met"));
  // A node on loopback asks nobody beyond it.
  const Outcome confined = lan.peers(lan.other, "lab", with_password, {"--bind", "127.0.0.1:0"});
  CHECK(confined.code == 3);
}

TEST_CASE("over IPv6 alone a star is found as well") {
  if (net::World::is_skipped()) return;
  Lan lan;
  int number = 0;
  for (const net::Host* at : {&lan.one, &lan.other}) {
    const std::string name = std::filesystem::path(at->network).filename();
    const std::string command = "ip -n " + name + " addr flush dev eth0 && ip -n " + name +
                                " addr add fd00:7::" + std::to_string(++number) +
                                "/64 dev eth0 nodad";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  lan.host("anna", lan.one, "lab", with_password, "[::]:0");
  const Outcome found = lan.peers(lan.other, "lab", with_password, {"--bind", "[::]:0"});
  CHECK_MESSAGE(found.code == 0, found.complaints);
  CHECK(names(found, "anna"));
}
