// SPDX-License-Identifier: MIT
//
// One host behind a NAT of any kind, and servers beyond it, in virtual time: what a Probe is tried
// against. The NAT is the plainest that has RFC 4787's two dependences; it shares no code with
// what judges it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "mrt/base/random.h"
#include "stun/probe.h"
#include "stun/responder.h"

namespace stun::test {

struct NatBox {
  bool translates = true;
  Dependence mapping = Dependence::endpoint_independent;
  Dependence filtering = Dependence::endpoint_independent;
  /// As Linux does where no rule drops it: a packet that was refused has taken the mapping's place
  /// towards its sender.
  bool remembers_refused = true;
  bool hairpins = false;

  /// Of a remote endpoint, what the NAT looks at.
  static mrt::Address part(Dependence dependence, mrt::Address remote) {
    if (dependence == Dependence::endpoint_independent) return {};
    if (dependence == Dependence::address_dependent) remote.port = 0;
    return remote;
  }
  mrt::Address go_out(const mrt::Address& from, const mrt::Address& to);
  /// To whom it goes; nobody where it is filtered.
  std::optional<mrt::Address> come_in(const mrt::Address& from, const mrt::Address& to);

  using Ends = std::pair<mrt::Address, mrt::Address>;
  std::map<Ends, mrt::Address> outside{};         // of (inner, part of remote)
  std::map<mrt::Address, mrt::Address> inside{};  // of an outer address
  std::set<Ends> open{};                          // (outer, part of remote)
  std::set<Ends> refused{};                       // (outer, remote)
};

struct World {
  NatBox nat{};
  std::vector<std::pair<std::vector<mrt::Address>, Responder>> hosts{};
  double loss = 0;
  std::optional<mrt::Address> dead{};  // a socket of which nothing comes out
  mrt::Duration one_way = std::chrono::milliseconds(10);
  mrt::Random random{mrt::seed_from(1)};
  mrt::Instant now{};
  std::vector<mrt::Address> asked{};  // where each request went

  void add_host(std::vector<mrt::Address> sockets) {
    hosts.emplace_back(sockets, Responder(sockets));
  }
  /// Runs the probe to its end; its events.
  std::vector<ProbeEvent> run(Probe& probe);

 private:
  struct Flight {
    mrt::Path path;  // as the receiver sees it
    mrt::Bytes bytes;
  };
  void send(const mrt::Path& path, mrt::ByteView bytes);
  void arrive(Probe& probe, Flight flight);

  std::multimap<mrt::Instant, Flight> in_flight_{};  // to the probe
};

/// The last event.
Behaviour conclusion(const std::vector<ProbeEvent>& events);

}  // namespace stun::test
