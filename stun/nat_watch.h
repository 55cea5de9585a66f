// SPDX-License-Identifier: MIT
//
// What stands between a node's sockets and the world, looked at beside its work and watched from
// then on, as a Machine (mrt/base/machine.h): of each family a Probe, and once it has concluded a
// small question now and then whether that still holds. It knows no sockets, and not what is done
// with what it finds.
//
//   Probe ──> concluded ──> 25 s ──> is the mapping the same? ──> yes: 25 s ...
//     ^                                          └── no, or silence: Probe
//
// 1. An event tells what is news, and nothing twice.
// 2. Whatever others say, a family's probes begin at least probe_pause apart, and so do questions
//    that a hint was the reason of: nobody makes this node a burden to its servers.
// 3. A family in which nobody answers is told only where no other has an answer: a host without
//    IPv6 is not one whose UDP is blocked.
#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "stun/probe.h"

namespace stun {

/// NATs forget a mapping after 30 s at the least (RFC 4787 section 4.3 asks for two minutes and
/// tells what is found). The question whether it still is the same holds it, too: an address in an
/// invite stays true while nobody calls.
inline constexpr mrt::Duration mapping_check_interval = std::chrono::seconds(25);
/// Where one was forgotten meanwhile it is asked twice as often from then on, down to this: no NAT is
/// known that forgets sooner, and 20 bytes each 5 s trouble nobody.
inline constexpr mrt::Duration mapping_check_min = std::chrono::seconds(5);
/// Without a NAT there is no mapping to hold, and what changes here the host notices itself.
inline constexpr mrt::Duration untranslated_check_interval = std::chrono::minutes(5);
/// A server that is down, or UDP that is blocked. Each probe asks each server four times.
inline constexpr mrt::Duration silence_pause = std::chrono::seconds(60);
/// A host's addresses come and go several times when it changes networks.
inline constexpr mrt::Duration probe_pause = std::chrono::seconds(10);

struct NatWatchConfig {
  std::vector<mrt::Address> sockets;  // of each family the first that gets anywhere is looked at
  std::vector<mrt::Address> seconds;  // of each family one beside it, for nothing else
};

/// What stands before one family's socket is known now, or is something else than before.
struct NatFound {
  Behaviour behaviour;
};

class NatWatch {
 public:
  NatWatch(NatWatchConfig config, const mrt::Random::Seed& seed);

  // Commands.
  /// Asked beside those that are known; of more than probe_servers_max the first.
  void add_servers(mrt::Instant now, const std::vector<mrt::Address>& servers);
  /// The host's addresses are others than before: all is looked at anew.
  void look_again(mrt::Instant now);
  /// Another server sees this node there. It is only a hint: what is news is asked for.
  void on_seen(mrt::Instant now, const mrt::Address& seen);

  // The five verbs.
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<NatFound> poll_event();
  mrt::Instant next_timeout() const;

  // Getters.
  /// Where others may call in through a NAT: mapped addresses that are the same for all.
  std::vector<mrt::Address> callable() const;
  /// Whether a NAT gives each destination another port, or each host: then nobody knows at which
  /// one could be called. Nothing while that is being looked at for the first time.
  std::optional<bool> symmetric() const;
  /// How often something has to go through the NAT, as far as it was seen to forget.
  mrt::Duration pace() const;
  bool is_consistent() const;

 private:
  /// One family.
  struct Side {
    mrt::Address socket, second;
    std::optional<Probe> probe{};  // while one is under way
    std::optional<QueryId> check{};
    mrt::Instant next = mrt::never;  // when to look: whether all is as it was, or if doubtful anew
    mrt::Duration pause = mapping_check_interval;  // a mapping is held by a question as often as that
    bool doubtful = false;
    mrt::Instant probed{}, checked{};   // when that last began
    std::optional<mrt::Address> saw{};  // the server that saw the mapped address first
    std::optional<Behaviour> found{}, told{};
  };

  bool is_askable(const Side& side, const mrt::Address& server) const;
  void begin_probe(mrt::Instant now, Side& side);
  void begin_check(mrt::Instant now, Side& side);
  void doubt(mrt::Instant now, Side& side);
  void conclude(mrt::Instant now, Side& side, const Behaviour& behaviour);
  void go_on(mrt::Instant now);
  void on_check(mrt::Instant now, Side& side, const ClientEvent& event);
  bool is_news(const Side& side) const;
  void tell();

  std::vector<Side> sides_;
  std::vector<mrt::Address> servers_;
  mrt::Random random_;
  Client client_;  // asks whether a mapping is the same
  std::deque<NatFound> events_;
};

static_assert(mrt::Machine<NatWatch>);

}  // namespace stun
