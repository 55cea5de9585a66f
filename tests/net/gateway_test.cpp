// SPDX-License-Identifier: MIT
//
// Ports of a gateway that lead to a node (stun/uv/port_mapping.h): miniupnpd on the NAT of a real
// one, and all that it speaks.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "net/nat_world.h"
#include "script/star.h"

using namespace script;
using net::Nat;

namespace {

// miniupnpd maps nothing where its outer address is one that leads nowhere, as all addresses are
// that are for documents and tests. This one is never sent to beyond the namespaces.
const std::string outer = "11.22.33.44";

bool is_skipped() {
  const bool there = std::system("command -v miniupnpd >/dev/null 2>&1") == 0;
  if (net::World::is_possible() && there) return false;
  MESSAGE("SKIPPED, not tested: gateways need root, ip, nft and miniupnpd");
  return true;
}

/// miniupnpd, which ends with its object, and with this process.
class Daemon {
 public:
  Daemon(const std::string& network, const std::filesystem::path& conf)
      : log_(conf.parent_path() / "log") {
    const std::string pid_file = conf.parent_path() / "pid", path = conf;
    const char* arguments[] = {"setpriv",        "--pdeathsig", "KILL", "ip", "netns",      "exec",
                               network.c_str(),  "miniupnpd",   "-d",   "-f", path.c_str(), "-P",
                               pid_file.c_str(), nullptr};
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, log_.c_str(), O_WRONLY | O_CREAT, 0600);
    posix_spawn_file_actions_adddup2(&files, STDOUT_FILENO, STDERR_FILENO);
    REQUIRE(posix_spawnp(&pid_, "setpriv", &files, nullptr, const_cast<char* const*>(arguments),
                         environ) == 0);
    posix_spawn_file_actions_destroy(&files);
  }
  ~Daemon() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::string said() const { return contents(log_); }
  void freeze() { kill(pid_, SIGSTOP); }

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

/// A host behind a NAT that maps ports where it is asked to.
class Home {
 public:
  /// `options`: lines for miniupnpd; `rules`: more for nft.
  explicit Home(const std::string& options, const std::string& rules = "")
      : host(world.add(Nat::port_restricted)), far(world.add(Nat::none)) {
    const std::string at = std::filesystem::path(host.network).filename();
    gateway_ = at;
    gateway_.replace(gateway_.rfind("host"), 4, "nat");
    run("nft -f - <<END\n"
        "table inet filter {\n"
        "chain pre { type nat hook prerouting priority -101; jump upnp_in; }\n"
        "chain upnp_in {}\n"
        "chain post { type nat hook postrouting priority 99; jump upnp_out; }\n"
        "chain upnp_out {}\n"
        "chain forward { type filter hook forward priority 0; jump upnp_forward; }\n"
        "chain upnp_forward {}\n" +
        rules + "}\nEND");
    // The far host finds the outer address on the switch.
    run("ip addr add " + outer + "/32 dev wan");
    const std::string far_name = std::filesystem::path(far.network).filename();
    REQUIRE(std::system(("ip -n " + far_name + " route add " + outer + " dev eth0").c_str()) == 0);
    const auto conf = star.folder("gateway") / "conf";
    std::ofstream(conf) << "ext_ifname=wan\next_ip=" << outer << "\nlistening_ip=lan\n"
                        << "upnp_table_name=filter\nupnp_nat_table_name=filter\n"
                        << "upnp_forward_chain=upnp_forward\nupnp_nat_chain=upnp_in\n"
                        << "upnp_nat_postrouting_chain=upnp_out\nipv6_disable=yes\n"
                        << "uuid=00000000-0000-0000-0000-000000000001\n"
                        << "allow 1024-65535 0.0.0.0/0 1024-65535\n"
                        << options;
    daemon_.emplace(gateway_, conf);
    Program::await("miniupnpd",
                   [&] { return daemon_->said().find("istening") != std::string::npos; });
  }

  Node& host_node(std::vector<std::string> arguments = {"host", "--stun", "none"}) {
    return star.open("anna", arguments, {"0.0.0.0:7777", host.network, {{"THUBAN_NAT", "auto"}}});
  }
  Outcome doctor() {
    Launch launch = star.launch({"doctor"});
    launch.network = host.network;
    launch.environment = {{"THUBAN_NAT", "auto"}};
    return script::run(launch);
  }
  /// It has another address then, and the same gateway.
  void readdress(const std::string& address) {
    world.readdress(host, address);
    set_route(true);
  }
  void set_route(bool there) {
    const std::string at = std::filesystem::path(host.network).filename();
    const std::string gateway = host.address.substr(0, host.address.rfind('.')) + ".1";
    const std::string command =
        "ip -n " + at + " route " + (there ? "add" : "del") + " default via " + gateway;
    REQUIRE(std::system(command.c_str()) == 0);
  }
  /// Its addresses settle seconds after a link is up, and would be a change.
  void forget_ipv6() {
    const std::string at = std::filesystem::path(host.network).filename();
    const std::string command =
        "ip netns exec " + at + " sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6'";
    REQUIRE(std::system(command.c_str()) == 0);
  }
  void freeze_gateway() { daemon_->freeze(); }
  /// Whether a port of the gateway leads to port 7777 of the host.
  bool is_mapped() const { return is_mapped_to(host.address); }
  bool is_mapped_to(const std::string& address) const {
    const std::string command =
        "ip netns exec " + gateway_ + " nft list chain inet filter upnp_in 2>/dev/null";
    FILE* const out = popen(command.c_str(), "r");
    std::string rules(64 * 1024, '\0');
    rules.resize(fread(rules.data(), 1, rules.size(), out));
    pclose(out);
    return rules.find(address + ":7777") != std::string::npos;
  }
  void await_mapped(bool mapped) {
    Program::await(mapped ? "a mapping" : "no mapping", [&] { return is_mapped() == mapped; });
  }

  net::World world;
  Star star;
  const net::Host& host;
  const net::Host& far;

 private:
  void run(const std::string& command) const {
    REQUIRE(std::system(("ip netns exec " + gateway_ + " " + command).c_str()) == 0);
  }

  std::string gateway_;
  std::optional<Daemon> daemon_;
};

const std::string upnp_alone = "enable_upnp=yes\nenable_natpmp=no\n";
const std::string pcp_alone = "enable_upnp=no\nenable_natpmp=yes\n";
// A gateway that does not know PCP, and says nothing to it.
const std::string no_pcp =
    "chain deaf { type filter hook input priority 0; iifname lan udp dport 5351 @th,64,8 2 drop; "
    "}\n";

}  // namespace

TEST_SUITE_BEGIN("net");

TEST_CASE("a mapping is made by each protocol alone, and is gone after the end") {
  if (is_skipped()) return;
  for (const auto& [options, rules] :
       {std::pair(pcp_alone, std::string()), {pcp_alone, no_pcp}, {upnp_alone, std::string()}}) {
    CAPTURE(options);
    CAPTURE(rules);
    Home home(options, rules);
    Node& anna = home.host_node();
    home.await_mapped(true);
    anna.quit();
    CHECK(!home.is_mapped());
  }
}

TEST_CASE("who has the invite comes in by the mapped port") {
  if (is_skipped()) return;
  Home home(pcp_alone + "enable_upnp=yes\n");
  Node& anna = home.host_node();
  // The first leads in from the LAN, the second from beyond the gateway, and it is told unasked.
  const std::string first = anna.await_event("invite")["invite"];
  const auto is_new = [&](const Json& said) { return said.at("invite") != first; };
  const std::string invite = anna.await_event("invite", is_new)["invite"];
  Node& ben = home.star.open("ben", {"join", invite}, {"0.0.0.0:0", home.far.network});
  ben.await_event("role", [](const Json& role) { return role.at("role") == "member"; });
  ben.say("T through");
  anna.await_event("chat", [](const Json& chat) { return chat.at("text") == "through"; });
}

TEST_CASE("a mapping is renewed before it ends, and one that nobody takes back ends by itself") {
  if (is_skipped()) return;
  Home home(pcp_alone + "min_lifetime=1\nmax_lifetime=2\n");
  Node& anna = home.host_node();
  home.await_mapped(true);
  // Twice its life, through which it stays.
  CHECK(!Program::run_until([&] { return !home.is_mapped(); }, Seconds{4}));
  anna.signal(SIGKILL);
  anna.await_end();
  home.await_mapped(false);
}

TEST_CASE("a gateway that hangs holds nobody up at the end") {
  if (is_skipped()) return;
  // UPnP is the one that waits for it, on a thread.
  Home home(upnp_alone);
  Node& anna = home.host_node();
  home.await_mapped(true);
  home.freeze_gateway();
  // Within two seconds.
  anna.quit();
}

TEST_CASE("a port is mapped anew when the host gets another address") {
  if (is_skipped()) return;
  Home home(pcp_alone);
  Node& anna = home.host_node();
  home.await_mapped(true);
  const std::string moved = home.host.address + "7";
  home.readdress(moved);
  Program::await("a mapping to the new address", [&] { return home.is_mapped_to(moved); });
  anna.quit();
  CHECK(!home.is_mapped_to(moved));
}

TEST_CASE("a host that gets a gateway later has a port mapped there") {
  if (is_skipped()) return;
  Home home(pcp_alone);
  home.set_route(false);
  home.forget_ipv6();
  Node& anna = home.host_node();
  anna.await_event("invite");
  home.set_route(true);
  home.await_mapped(true);
  anna.quit();
}

TEST_CASE("doctor says by what the gateway leads ports here, and leaves none behind") {
  if (is_skipped()) return;
  Home home(upnp_alone);
  const Outcome said = home.doctor();
  CHECK(said.output.find("leads ports here by UPnP: " + outer) != std::string::npos);
  CHECK(!home.is_mapped());
}

TEST_CASE("with --nat none nothing is mapped") {
  if (is_skipped()) return;
  Home home(pcp_alone);
  Node& anna = home.host_node({"host", "--nat", "none"});
  CHECK(!Program::run_until([&] { return home.is_mapped(); }, Seconds{1}));
  anna.quit();
}
