// SPDX-License-Identifier: MIT
#include "client/doctor/findings.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

using namespace client;
using namespace std::chrono_literals;
using mrt::Address;
using stun::Dependence;
using stun::NatType;

namespace {

const Finding& of(const std::vector<Finding>& all, std::string_view check) {
  for (const Finding& one : all)
    if (one.check == check) return one;
  FAIL("there is no finding of " << check);
  return all.front();
}

bool says(const Finding& finding, std::string_view words) {
  return finding.text.find(words) != std::string::npos;
}

NatFacts facts(NatType type, Dependence mapping = Dependence::endpoint_independent) {
  NatFacts out;
  out.behaviour.type = type;
  out.behaviour.mapping = mapping;
  out.behaviour.mapped = Address::v4(192, 0, 2, 1, 50'000);
  out.behaviour.local = Address::v4(10, 0, 0, 2, 4'000);
  return out;
}

}  // namespace

TEST_CASE("a buffer that the kernel cut comes with the setting that mends it") {
  const SocketFacts cut{212'992, 4'194'304, 212'992, 1'048'576, false, true};
  const auto all = findings_of(cut);
  CHECK(!of(all, "receive-buffer").fine);
  CHECK(says(of(all, "receive-buffer"), "208 KiB to receive of 4096 KiB"));
  CHECK(of(all, "receive-buffer").fix.find("net.core.rmem_max=4194304") != std::string::npos);
  CHECK(of(all, "send-buffer").fix.find("net.core.wmem_max=1048576") != std::string::npos);
  CHECK(!of(all, "gso").fine);
  CHECK(!of(all, "gso").fix.empty());
  CHECK(of(all, "gro").fine);
  for (const Finding& one :
       findings_of(SocketFacts{4'194'304, 4'194'304, 1'048'576, 1'048'576, true, true})) {
    CHECK(one.fine);
    CHECK(one.fix.empty());
  }
}

TEST_CASE("each kind of NAT is named both ways, and each that hinders has its remedy") {
  for (const NatType type : {NatType::open, NatType::full_cone, NatType::unknown}) {
    const Finding nat = of(findings_of(facts(type)), "nat");
    CHECK(nat.fine);
    CHECK(nat.fix.empty());
    CHECK(says(nat, std::string(to_text(type)) + " ("));
    CHECK(says(nat, "mapping endpoint-independent, filtering unknown"));
  }
  for (const NatType type :
       {NatType::restricted, NatType::port_restricted, NatType::symmetric, NatType::blocked}) {
    const Finding nat = of(findings_of(facts(type)), "nat");
    CHECK(!nat.fine);
    CHECK(!nat.fix.empty());
    CHECK(says(nat, to_text(type)));
  }
}

TEST_CASE("the mapped address is told with what it is good for") {
  CHECK(says(of(findings_of(facts(NatType::full_cone)), "mapped-address"),
             "sees this socket as 192.0.2.1:50000; a node that is started with --bind "
             "0.0.0.0:4000 now is called there"));
  // Where each destination sees another one it is good for nobody else.
  const auto symmetric = findings_of(facts(NatType::symmetric, Dependence::address_dependent));
  CHECK(!says(of(symmetric, "mapped-address"), "--bind"));
  NatFacts bare = facts(NatType::open);
  bare.behaviour.mapped = bare.behaviour.local;
  CHECK(says(of(findings_of(bare), "mapped-address"), "there is no NAT"));
  NatFacts blocked = facts(NatType::blocked);
  blocked.behaviour.mapped.reset();
  for (const Finding& one : findings_of(blocked)) CHECK(one.check != "mapped-address");
}

TEST_CASE("whether a NAT turns packets round is told where it was seen") {
  NatFacts all = facts(NatType::full_cone);
  for (const Finding& one : findings_of(all)) CHECK(one.check != "hairpin");
  all.behaviour.hairpins = true;
  CHECK(says(of(findings_of(all), "hairpin"), "can be called"));
  all.behaviour.hairpins = false;
  // No fault: nodes behind one NAT reach each other by their own addresses.
  CHECK(of(findings_of(all), "hairpin").fine);
  CHECK(says(of(findings_of(all), "hairpin"), "cannot be called"));
}

TEST_CASE("servers that answer are told apart from those that do not") {
  NatFacts all = facts(NatType::open);
  const Address server = Address::v4(198, 51, 100, 5, 3478);
  all.answered.push_back({server, *all.behaviour.mapped, 12'300us});
  CHECK(says(of(findings_of(all), "stun-server"),
             "198.51.100.5:3478 sees 192.0.2.1:50000 (12.3 ms)"));
  const std::pair<stun::ServerFailed, std::string_view> failures[] = {
      {{server, stun::Failure::silence}, "does not answer"},
      {{server, stun::Failure::refused, 401}, "refuses: error 401"},
      {{server, stun::Failure::unusable}, "says an address that cannot be"}};
  for (const auto& [failed, words] : failures) {
    NatFacts facts_then = facts(NatType::open);
    facts_then.failed.push_back(failed);
    const Finding finding = of(findings_of(facts_then), "stun-server");
    CHECK(!finding.fine);
    CHECK(says(finding, words));
  }
}

TEST_CASE("a finding is a line, its remedy one more; in JSON it is one object") {
  CHECK(to_text({"gso", true, "fine"}) == "ok    fine\n");
  CHECK(to_text({"gso", false, "bad", "do"}) == "FAULT bad\n      -> do\n");
  const std::string line = to_json(Finding{"gso", false, "bad \"x\"", "do"}, 7);
  CHECK(line.back() == '\n');
  const auto json = nlohmann::json::parse(line);
  CHECK(json["event"] == "finding");
  CHECK(json["ts"] == 7);
  CHECK(json["check"] == "gso");
  CHECK(json["fine"] == false);
  CHECK(json["text"] == "bad \"x\"");
  CHECK(json["fix"] == "do");
}

TEST_CASE("what a router offers is said, and what mends it where it does not") {
  using stun::PortMapProtocol;
  GatewayFacts facts{Address::v4(192, 168, 7, 1, 0), Address::v4(192, 168, 7, 5, 0), {}};
  const auto silent = finding_of(facts);
  CHECK(!silent.fine);
  CHECK(says(silent, "192.168.7.1 answers neither"));
  CHECK(silent.fix.find("forward a UDP port in it to 192.168.7.5") != std::string::npos);
  facts.state[PortMapProtocol::pcp] = {true, std::nullopt, 2};
  CHECK(!finding_of(facts).fine);
  CHECK(says(finding_of(facts), "refuses to lead a port here (PCP: 2)"));
  facts.state[PortMapProtocol::upnp] = {true, Address::v4(192, 0, 2, 1, 7703), 0};
  CHECK(finding_of(facts).fine);
  CHECK(says(finding_of(facts), "leads ports here by UPnP: 192.0.2.1"));
  // Each of these is behind another router or the provider's NAT.
  for (const auto& outer : {Address::v4(10, 0, 0, 1, 1), Address::v4(172, 31, 0, 1, 1),
                            Address::v4(192, 168, 1, 1, 1), Address::v4(100, 64, 0, 1, 1)}) {
    facts.state[PortMapProtocol::upnp].external = outer;
    CHECK(!finding_of(facts).fine);
    CHECK(says(finding_of(facts), "another NAT stands before it"));
  }
}

TEST_CASE("a clock that nothing keeps in step is a fault, and one that nobody knows of is none") {
  CHECK(finding_of(ClockFacts{true, true}).fine);
  CHECK(finding_of(ClockFacts{false, false}).fine);
  const Finding wild = finding_of(ClockFacts{true, false});
  CHECK(!wild.fine);
  CHECK(wild.fix == "sudo timedatectl set-ntp true");
}

TEST_CASE("a device that is deaf to groups is named, with what mends it") {
  CHECK(finding_of(MulticastFacts{"eth0", true}).fix.empty());
  const Finding deaf = finding_of(MulticastFacts{"eth0", false});
  CHECK(!deaf.fine);
  CHECK(says(deaf, "on eth0"));
  CHECK(deaf.fix.find("239.255.84.104") != std::string::npos);
}

TEST_CASE("a mapping's lifetime is a fault only where it is shorter than thuban needs") {
  const auto said = [](std::optional<mrt::Duration> survived, std::optional<mrt::Duration> ended) {
    return finding_of(LifetimeFacts{true, stun::LifetimeFound{survived, ended}});
  };
  CHECK(
      says(said(45s, 75s), "a mapping lives longer than 45 s and less than 75 s without traffic"));
  CHECK(said(45s, 75s).fine);
  CHECK(said(27s, 45s).fine);
  CHECK(says(said(310s, {}), "longer than 310 s without traffic"));
  CHECK(says(said(27s, {}), "longer than 27 s, and then no server answered"));
  CHECK(says(said({}, {}), "unknown"));
  CHECK(said({}, {}).fine);
  CHECK(!said(17s, 27s).fine);
  CHECK(says(said(17s, 27s), "invite"));
  CHECK(!said({}, 11s).fine);
  CHECK(says(said({}, 11s), "lives less than 11 s without traffic: connections end"));
  CHECK(said({}, 11s).fix.find("nf_conntrack_udp_timeout=120") != std::string::npos);
  CHECK(says(finding_of(LifetimeFacts{false, {}}), "IPv6: there is no NAT"));
}
