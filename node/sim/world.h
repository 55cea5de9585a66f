// SPDX-License-Identifier: MIT
//
// The simulated world: programs on virtual hosts (10.0.0.1 and up) in virtual time, joined
// by links, pumped by the very mrt::pump() that the real driver uses. It knows no node and
// no overlay: whatever is a Machine lives in it.
//
// 1. Events happen in the order of (instant, number); nothing else decides.
// 2. Everything is drawn from one seed. Each ordered pair's link draws from a seed of its
//    own, so a new link does not shift the draws of another.
// 3. digest() covers every datagram sent and arrived (time, from, to, bytes) and what the
//    user adds with record(): same seed and same script, same digest.
// 4. Faults act between events, never within a program's turn.
// 5. A host behind a gateway reaches those behind the same one by their own addresses, all others
//    through it. A gateway lets in or drops what arrives when it arrives: links come before it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mrt/base/ids.h"
#include "node/sim/link.h"
#include "node/sim/nat.h"
#include "node/sim/program.h"

struct XXH3_state_s;

namespace node::sim {

using HostId = mrt::Id<struct HostIdTag, uint32_t>;

struct WorldConfig {
  uint64_t seed = 1;
  LinkSpec link{};                       // of every pair that has none of its own
  bool joins_on_arrival = true;          // as UDP_GRO does with datagrams of one size
  size_t socket_buffer_bytes = 212'992;  // net.core.rmem_default; what a frozen program gets
};

/// What happened to one datagram, for traces.
struct Passage {
  enum class Kind : uint8_t { sent, cut, arrived, missed };
  Kind kind;
  Instant at;
  mrt::Address from;
  mrt::Address to;
  mrt::ByteView bytes;
};

struct WorldCounters {
  uint64_t events = 0;
  uint64_t datagrams_sent = 0;
  uint64_t bytes_sent = 0;
  uint64_t datagrams_arrived = 0;
  uint64_t datagrams_missed = 0;  // nobody there, or a frozen program's buffer was full
};

class World {
 public:
  explicit World(const WorldConfig& config);
  ~World();

  // Hosts. A host without a program is an address where nobody listens.
  HostId add_host();
  size_t host_count() const { return hosts_.size(); }
  const mrt::Address& address(HostId host) const;
  /// Starts a program on a host that runs none. It is pumped at once.
  void start(HostId host, std::unique_ptr<Program> program);
  /// Nothing where none runs.
  Program* program(HostId host) const;
  /// Pumps a program to which something was said by a call from outside.
  void wake(HostId host);

  // Gateways. Each is a host where nobody runs, at 198.18.0.1 and up.
  HostId add_gateway(const NatSpec& spec);
  /// REQUIRES: it has sent nothing yet.
  void put_behind(HostId host, HostId gateway);
  const std::optional<HostId>& gateway(HostId host) const { return this->host(host).gateway; }
  const NatSpec& nat(HostId gateway) const;
  /// Where somebody on `from` has to send what is to reach `host`, if its NAT lets that in; where
  /// mappings depend on the far end, as far as anybody can know. Makes the mapping.
  mrt::Address address_for(HostId host, HostId from);

  // Faults.
  /// The program vanishes without a word.
  void crash(HostId host);
  /// The program gets no turn; what arrives waits in its socket's buffer.
  void freeze(HostId host);
  /// Its next turn finds that `now` has jumped.
  void thaw(HostId host);
  bool is_frozen(HostId host) const;
  /// A gateway forgets its mappings.
  void reboot(HostId gateway);
  /// The host's next program gets another port. REQUIRES: none runs.
  void change_port(HostId host);
  /// Groups that hear only each other; who is in none of them is in one more. Replaces the
  /// partition before.
  void partition(const std::vector<std::vector<HostId>>& groups);
  /// Ends the partition and all cuts.
  void heal();
  /// Cuts or restores one direction.
  void cut(HostId from, HostId to, bool is_cut);
  /// One direction's link, from now on.
  void change_link(HostId from, HostId to, const LinkSpec& spec);
  /// All links, those to come too; change_link() of single ones is forgotten.
  void change_links(const LinkSpec& spec);
  /// What a new link gets.
  const LinkSpec& link() const { return config_.link; }

  // Time.
  Instant now() const { return now_; }
  /// Runs `action` at an instant not in the past.
  void at(Instant when, std::function<void()> action);
  /// The next event; false where none is left.
  bool step();
  /// The instant of the next event.
  Instant next() const;
  void run_until(Instant end);

  // What happened.
  void record(HostId host, std::string_view what);
  uint64_t digest() const;
  void watch(std::function<void(const Passage&)> watcher) { watcher_ = std::move(watcher); }
  const WorldCounters& counters() const { return counters_; }
  /// Counters of all links together.
  LinkCounters link_counters() const;
  /// A program that never comes to rest at one instant (machine.h, rule 3), if there was one.
  const std::optional<HostId>& spinning() const { return spinning_; }

 private:
  struct Host {
    mrt::Address address;
    std::unique_ptr<Program> program;
    bool frozen = false;
    size_t group = 0;              // of the partition
    Instant turn_at = mrt::never;  // the event that counts; others for this host are stale
    std::vector<Datagram> socket;  // what waits while frozen
    size_t socket_bytes = 0;
    uint64_t turns_at_once = 0;  // turns since the clock last moved
    Instant turn_last{};
    std::optional<HostId> gateway;  // behind which it is
    std::unique_ptr<Nat> nat;       // of a gateway
  };
  struct Wire {
    HostId from;
    HostId to;
    Link link;
    Instant scheduled = mrt::never;
  };
  struct Event {
    enum class Kind : uint8_t { turn, arrival, action };
    Instant at;
    uint64_t number;
    Kind kind;
    size_t index;
    bool operator>(const Event& other) const;
  };
  class Outlet;

  Host& host(HostId id) const;
  uint64_t push(Instant when, Event::Kind kind, size_t index);
  void schedule_turn(HostId id, Instant when);
  void take_turn(HostId id);
  void send(HostId from, const mrt::Transmit& batch, mrt::ByteView bytes);
  void send_one(HostId from, const mrt::Transmit& batch, mrt::ByteView bytes);
  bool is_cut(HostId from, HostId to) const;
  std::optional<HostId> way_to(HostId from, const mrt::Address& target) const;
  mrt::Address source_of(HostId from, HostId to, const mrt::Address& target);
  void pass_gateway(const Nat& nat, HostId from, Datagram datagram);
  size_t wire_between(HostId from, HostId to);
  void schedule_arrival(size_t wire);
  void arrive(size_t wire);
  void deliver(HostId id, std::vector<Datagram> datagrams);
  void note(Passage::Kind kind, const mrt::Address& from, const mrt::Address& to,
            mrt::ByteView bytes);

  WorldConfig config_;
  mrt::Random random_;
  mrt::Random::Seed link_seed_;
  Instant now_{};
  uint64_t number_next_ = 0;
  std::vector<Event> events_;  // a heap, the earliest first
  std::map<uint64_t, std::function<void()>> actions_;
  std::vector<std::unique_ptr<Host>> hosts_;
  std::map<mrt::Address, HostId> by_address_;
  std::map<std::array<uint8_t, 16>, HostId> gateways_;  // by their addresses' ip
  std::deque<Wire> wires_;
  std::map<std::pair<HostId, HostId>, size_t> wire_index_;
  std::set<std::pair<HostId, HostId>> cuts_;
  std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)> hash_;
  mrt::Bytes transmit_buffer_;
  WorldCounters counters_;
  std::optional<HostId> spinning_;
  std::function<void(const Passage&)> watcher_;
};

}  // namespace node::sim
