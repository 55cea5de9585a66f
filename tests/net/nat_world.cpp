// SPDX-License-Identifier: MIT
#include "net/nat_world.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

namespace net {

static bool runs(const std::string& command) {
  return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) == 0;
}

static void shell(const std::string& script) {
  if (std::system(("set -e\n" + script).c_str()) != 0) {
    throw std::runtime_error("this failed:\n" + script);
  }
}

/// What nft makes of one gateway. A forwarded packet of a known flow goes through; of a new one
/// from outside only what `let_in` has sent on to the host.
static std::string rules(const std::string& mapping, const std::string& seen,
                         const std::string& let_in) {
  return "table ip nat {\n" + seen +
         "chain out {\n type nat hook postrouting priority 100\n oifname wan " + mapping +
         "\n}\n"
         "chain in {\n type nat hook prerouting priority -100\n " +
         let_in +
         "\n}\n"
         "chain through {\n type filter hook forward priority 10\n iifname wan ct state new ct "
         "status dnat accept\n iifname wan ct state new drop\n}\n"
         "chain gateway {\n type filter hook input priority 0\n iifname wan drop\n}\n}\n";
}

static std::string rules_of(Nat kind, const std::string& host) {
  const std::string to_host = "dnat to " + host;
  switch (kind) {
    case Nat::none:
      return "";
    case Nat::full_cone:
      return rules("masquerade", "", "iifname wan meta l4proto udp " + to_host);
    case Nat::restricted:
      return rules("masquerade",
                   "set seen {\n type ipv4_addr\n flags dynamic,timeout\n timeout 60s\n}\n"
                   "chain note {\n type filter hook forward priority 0\n oifname wan meta l4proto "
                   "udp update @seen { ip daddr }\n}\n",
                   "iifname wan meta l4proto udp ip saddr @seen " + to_host);
    case Nat::port_restricted:
      return rules("masquerade", "", "");
    case Nat::symmetric:
      return rules("masquerade fully-random", "", "");
  }
  std::abort();
}

const char* name_of(Nat kind) {
  switch (kind) {
    case Nat::none:
      return "none";
    case Nat::full_cone:
      return "full-cone";
    case Nat::restricted:
      return "restricted";
    case Nat::port_restricted:
      return "port-restricted";
    case Nat::symmetric:
      return "symmetric";
  }
  std::abort();
}

bool World::is_possible() {
  const std::string name = "thuban-" + std::to_string(getpid()) + "-try";
  return geteuid() == 0 &&
         runs("ip netns add " + name + " && ip netns exec " + name +
              " nft 'add table ip a; add chain ip a b { type nat hook postrouting priority 100; "
              "}; add rule ip a b masquerade'; said=$?; ip netns del " +
              name + "; exit $said");
}

bool World::is_skipped() {
  if (is_possible()) return false;
  MESSAGE("SKIPPED, not tested: real NATs and LANs need root, ip and nft");
  return true;
}

World::World() {
  static int worlds = 0;
  prefix_ = "thuban-" + std::to_string(getpid()) + "-" + std::to_string(++worlds) + "-";
  const std::string middle = add_namespace("net");
  shell("ip -n " + middle + " link add sw0 type bridge\nip -n " + middle + " link set sw0 up");
}

World::~World() {
  for (const std::string& one : namespaces_) runs("ip netns del " + one);
}

std::string World::add_namespace(const std::string& name) {
  namespaces_.push_back(prefix_ + name);
  shell("ip netns add " + namespaces_.back() + "\nip -n " + namespaces_.back() + " link set lo up");
  return namespaces_.back();
}

const Host& World::add(Nat kind) {
  const std::string number = std::to_string(hosts_.size() + 1);
  const std::string middle = prefix_ + "net";
  const std::string host = add_namespace("host" + number);
  Host made{"/run/netns/" + host, "192.168." + number + ".2", "203.0.113." + number};
  // Who has a public address is its own gateway; 198.51.100.0/24 and others are never used.
  const std::string outer = kind == Nat::none ? host : add_namespace("nat" + number);
  const std::string wan = kind == Nat::none ? "eth0" : "wan";
  shell("ip link add " + wan + " netns " + outer + " type veth peer name port" + number +
        " netns " + middle + "\nip -n " + middle + " link set port" + number +
        " master sw0 up\nip -n " + outer + " addr add " + made.public_address + "/24 dev " + wan +
        "\nip -n " + outer + " link set " + wan + " up");
  if (kind == Nat::none) {
    made.address = made.public_address;
  } else {
    const std::string inside = "192.168." + number + ".1";
    shell("ip link add lan netns " + outer + " type veth peer name eth0 netns " + host +
          "\nip -n " + outer + " addr add " + inside + "/24 dev lan\nip -n " + outer +
          " link set lan up\nip -n " + host + " addr add " + made.address + "/24 dev eth0\nip -n " +
          host + " link set eth0 up\nip -n " + host + " route add default via " + inside +
          "\nip netns exec " + outer +
          " sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'\nip netns exec " + outer +
          " nft -f - <<END\n" + rules_of(kind, made.address) + "END");
  }
  return hosts_.emplace_back(std::move(made));
}

std::string World::namespace_of(const Host& host) {
  return host.network.substr(host.network.rfind('/') + 1);
}

void World::add_address(const Host& host, const std::string& address) {
  shell("ip -n " + namespace_of(host) + " addr replace " + address + "/24 dev eth0");
}

void World::readdress(const Host& host, const std::string& address) {
  shell("ip -n " + namespace_of(host) + " addr del " + host.address + "/24 dev eth0");
  add_address(host, address);
}

std::string World::gateway_of(const Host& host) {
  std::string gateway = namespace_of(host);
  return gateway.replace(gateway.rfind("host"), 4, "nat");
}

void World::swallow(const Host& host) {
  shell("ip -n " + gateway_of(host) + " route add blackhole default");
}

void World::forget_after(const Host& host, int seconds) {
  shell("ip netns exec " + gateway_of(host) + " sh -c 'echo " + std::to_string(seconds) +
        " | tee /proc/sys/net/netfilter/nf_conntrack_udp_timeout "
        ">/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream'");
}

void World::forget(const Host& host) {
  // The kernel drops what was masqueraded for a link that goes down.
  unplug(host);
  plug(host);
  runs("ip netns exec " + gateway_of(host) + " nft flush set ip nat seen");  // where there is one
}

void World::unplug(const Host& host) { shell("ip -n " + gateway_of(host) + " link set wan down"); }

void World::plug(const Host& host) { shell("ip -n " + gateway_of(host) + " link set wan up"); }

void World::reboot(const Host& host) {
  shell("ip netns exec " + gateway_of(host) +
        " nft 'flush chain ip nat out; add rule ip nat out oifname wan meta l4proto udp masquerade "
        "to :40000-49999'");
  forget(host);
}

}  // namespace net
