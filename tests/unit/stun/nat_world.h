// SPDX-License-Identifier: MIT
//
// One host behind a NAT of any kind, and servers beyond it, in virtual time: what a Probe is tried
// against. The NAT is the plainest that has RFC 4787's two dependences; it shares no code with
// what judges it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
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

  /// Of a remote endpoint, what the NAT looks at.
  static mrt::Address part(Dependence dependence, mrt::Address remote) {
    if (dependence == Dependence::endpoint_independent) return {};
    if (dependence == Dependence::address_dependent) remote.port = 0;
    return remote;
  }
  mrt::Address go_out(const mrt::Address& from, const mrt::Address& to) {
    const mrt::Address key = part(mapping, to);
    if (!ports.contains(key)) ports[key] = static_cast<uint16_t>(50'000 + ports.size());
    mrt::Address outside = translates ? mrt::Address::v4(192, 0, 2, 1, ports[key]) : from;
    open.insert({outside.port, part(filtering, to)});
    return outside;
  }
  bool lets_in(const mrt::Address& from, const mrt::Address& to) const {
    return open.contains({to.port, part(filtering, from)});
  }

  std::map<mrt::Address, uint16_t> ports{};
  std::set<std::pair<uint16_t, mrt::Address>> open{};
};

struct World {
  NatBox nat{};
  std::vector<std::pair<std::vector<mrt::Address>, Responder>> hosts{};
  double loss = 0;
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
