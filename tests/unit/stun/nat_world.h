// SPDX-License-Identifier: MIT
//
// One host behind a NAT of any kind, and servers beyond it, in virtual time: what a Probe and a
// NatWatch are tried against. The NAT is the plainest that has RFC 4787's two dependences; it
// shares no code with what judges it.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
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
  /// How long a mapping lives through which nothing goes, either way.
  mrt::Duration lifetime = std::chrono::hours(1'000);

  /// Of a remote endpoint, what the NAT looks at.
  static mrt::Address part(Dependence dependence, mrt::Address remote) {
    if (dependence == Dependence::endpoint_independent) return {};
    if (dependence == Dependence::address_dependent) remote.port = 0;
    return remote;
  }
  mrt::Address go_out(mrt::Instant now, const mrt::Address& from, const mrt::Address& to);
  /// To whom it goes; nobody where it is filtered.
  std::optional<mrt::Address> come_in(mrt::Instant now, const mrt::Address& from,
                                      const mrt::Address& to);
  bool lives(mrt::Instant now, const mrt::Address& outer) const {
    return now - used.at(outer) < lifetime;
  }

  using Ends = std::pair<mrt::Address, mrt::Address>;
  std::map<Ends, mrt::Address> outside{};         // of (inner, part of remote)
  std::map<mrt::Address, mrt::Address> inside{};  // of an outer address
  std::map<mrt::Address, mrt::Instant> used{};    // of an outer address: when last
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
  /// Runs a machine to its end, or until then; its events.
  template <mrt::Machine M>
  auto run(M& machine, mrt::Instant until = mrt::never);

 private:
  struct Flight {
    mrt::Path path;  // as the receiver sees it
    mrt::Bytes bytes;
  };
  void send(const mrt::Path& path, mrt::ByteView bytes);

  std::multimap<mrt::Instant, Flight> in_flight_{};  // to the machine
};

template <mrt::Machine M>
auto World::run(M& machine, mrt::Instant until) {
  std::vector<typename decltype(machine.poll_event())::value_type> events;
  while (true) {
    while (auto event = machine.poll_event()) events.push_back(*event);
    CHECK(machine.is_consistent());
    std::array<uint8_t, 1'200> buffer;
    bool idle = true;
    while (const auto batch = machine.poll_transmit(now, buffer)) {
      send(batch->path, mrt::ByteView(buffer).first(batch->size));
      idle = false;
    }
    if (!idle) continue;
    const mrt::Instant next = std::min(machine.next_timeout(),
                                       in_flight_.empty() ? mrt::never : in_flight_.begin()->first);
    if (next == mrt::never || next > until) {
      now = std::max(now, until == mrt::never ? now : until);
      return events;
    }
    CHECK(next >= now);
    now = next;
    if (!in_flight_.empty() && in_flight_.begin()->first <= now) {
      Flight flight = std::move(in_flight_.begin()->second);
      in_flight_.erase(in_flight_.begin());
      machine.on_datagrams(now, flight.path, mrt::Ecn::not_ect, 0, flight.bytes);
    } else {
      machine.on_timeout(now);
      CHECK(machine.next_timeout() > now);
    }
  }
}

/// The last event.
Behaviour conclusion(const std::vector<ProbeEvent>& events);

}  // namespace stun::test
