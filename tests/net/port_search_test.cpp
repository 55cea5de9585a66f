// SPDX-License-Identifier: MIT
//
// A port of a symmetric NAT, searched for by who is behind a NAT that looks at ports (WIRE.md 9.5).
#include <doctest/doctest.h>

#include "net/met.h"

using namespace script;
using net::Met;
using net::Nat;

TEST_SUITE_BEGIN("net");

/// Whether Ben's word reaches Anna, directly: there is nobody else to relay it.
static bool meet(Nat annas, Nat bens) {
  Met met(annas, bens);
  const std::string server = met.middle.address + ":7700";
  Node& anna = met.open("anna", met.ann, {"host", "--network", "lab", "--stun", server});
  anna.await_event("nat");
  Launch ben{{"chat", "found", "--to", "lab", "--rendezvous", server, "--stun", server},
             met.star.folder("ben")};
  ben.environment["THUBAN_PASSWORD"] = "between us";
  ben.network = met.ben.network;
  const auto begin = Clock::now();
  const bool met_him = run(ben, Seconds(30)).code == 0;
  MESSAGE(std::string(net::name_of(annas)), " x ", std::string(net::name_of(bens)), ": ",
          std::string(met_him ? "met" : "not met"), " after ", since(begin), " s");
  return met_him && Program::run_until([&] { return anna.count("chat") == 1; });
}

// Two searches in a hundred find nothing: three in a row are a fault.
TEST_CASE("a symmetric NAT and a port-restricted one are met in one of three runs") {
  if (net::World::is_skipped()) return;
  CHECK((meet(Nat::symmetric, Nat::port_restricted) || meet(Nat::symmetric, Nat::port_restricted) ||
         meet(Nat::symmetric, Nat::port_restricted)));
  CHECK((meet(Nat::port_restricted, Nat::symmetric) || meet(Nat::port_restricted, Nat::symmetric) ||
         meet(Nat::port_restricted, Nat::symmetric)));
}

// By hand: it takes minutes.
TEST_CASE("a symmetric NAT and a port-restricted one are met in 18 of 20 runs" * doctest::skip()) {
  for (const auto& [annas, bens] : {std::pair(Nat::symmetric, Nat::port_restricted),
                                    std::pair(Nat::port_restricted, Nat::symmetric)}) {
    int met = 0;
    for (int run = 0; run < 20; ++run) met += meet(annas, bens) ? 1 : 0;
    CHECK(met >= 18);
  }
}
