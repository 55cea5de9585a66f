// SPDX-License-Identifier: MIT
//
// Nodes with memory disks in a simulated world, and a script's hands on them: start, join,
// chat, offer, download, and every fault. What nodes are made to do and what they say goes
// to the checker. It draws nothing itself but identities and seeds.
//
// 1. A seat is a host with an identity, a disk and at most one running node; it keeps identity
//    and disk through crashes, unless it is wiped. Each start is a new life.
// 2. A command to a seat whose node is gone, frozen or leaving does nothing and says so.
// 3. After a violation run() stands still: its instant is now().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/node.h"
#include "node/sim/acquaintance.h"
#include "node/sim/checker.h"
#include "node/sim/deed.h"
#include "node/sim/memory_disk.h"
#include "node/sim/world.h"

namespace node::sim {

struct StarConfig {
  WorldConfig world;
  size_t history = 0;
  // Packets are sealed, with a secret; else they are plain, which costs a fraction of the time.
  bool sealed = false;
};

/// A change of supernode as one node saw it.
struct MigrationSeen {
  Instant at;
  size_t seat;
  Migrated what;
};

/// What a script measured: "all have joined: 812 ms".
struct Figure {
  std::string_view name;
  double value;
  std::string_view unit;
};

class Star {
 public:
  using Watcher = std::function<void(size_t seat, const Event& event)>;
  using DeedWatcher = std::function<void(const Deed& deed)>;

  explicit Star(const StarConfig& config);
  ~Star();

  // Seats. They are numbered from 0; the first nick is n0.
  size_t add_seat();
  size_t seat_count() const { return seats_.size(); }
  /// The running node of a seat, frozen or not; null where none runs.
  Node* node(size_t seat) const;
  MemoryDisk& disk(size_t seat);
  HostId host(size_t seat) const;
  const std::string& nick(size_t seat) const;
  const NodeId& id(size_t seat) const;
  std::optional<size_t> seat_of(const NodeId& id) const;
  /// Runs, is not frozen and was not told to quit.
  bool is_able(size_t seat) const;
  bool is_in_star(size_t seat) const;
  std::vector<size_t> able_seats() const;
  /// The able seat that is the supernode of most able seats.
  std::optional<size_t> supernode() const;

  // Commands; false where there was nobody to carry them out.
  bool start_host(size_t seat);
  /// Starts a node if none runs, and joins through another seat; tried again through others
  /// while it fails.
  bool join(size_t seat, size_t via);
  /// Says `text` with a number behind it, so that no two messages are alike.
  bool chat(size_t seat, std::string_view text);
  /// Lays `bytes` under that name on the seat's disk and offers them.
  bool offer(size_t seat, const std::string& name, mrt::Bytes bytes);
  bool withdraw(size_t seat, const std::string& name);
  /// What the seat does not have and is not fetching yet.
  bool download(size_t seat, const std::string& name);
  bool hand_over(size_t seat);
  bool quit(size_t seat);

  // Faults.
  void kill(size_t seat);
  void freeze(size_t seat);
  void thaw(size_t seat);
  /// These seats and the others do not hear each other any more.
  void divide(const std::vector<size_t>& seats);
  void cut(size_t from, size_t to);
  void heal();
  void change_links(const LinkSpec& spec);
  /// From its first packet on it is seen from behind that gateway (World::add_gateway).
  void put_behind(size_t seat, HostId gateway);
  /// The gateway that it is behind forgets its mappings.
  void reboot_gateway(size_t seat);
  /// Each request takes that long, and all of them share so many bytes a second.
  void slow_disk(size_t seat, Duration latency, double bytes_per_second);
  void end_faults();
  /// Its next life starts without state: another identity, and nothing on its disk. False where
  /// one is running.
  bool wipe(size_t seat);

  // Time.
  World& world() { return world_; }
  Instant now() const { return world_.now(); }
  /// False as soon as a rule was violated.
  bool run(Duration time);
  /// Heals and thaws everything, then runs until all is settled; the time that took, or
  /// nothing after `limit`, which is a violation.
  std::optional<Duration> settle(Duration limit);
  /// What keeps the star from being at rest as it is now (checker.h, rule 7).
  std::optional<Finding> unsettled() const;

  // What happened.
  void watch(Watcher watcher, DeedWatcher deeds);
  Checker& checker() { return checker_; }
  const std::vector<MigrationSeen>& migrations() const { return migrations_; }
  void note(const Figure& figure) { figures_.push_back(figure); }
  const std::vector<Figure>& figures() const { return figures_; }
  uint64_t received_count() const { return received_count_; }
  uint64_t joins_failed() const { return joins_failed_; }
  /// How often somebody was told that a node is lost which runs, and is in a star.
  uint64_t wrongly_lost() const { return wrongly_lost_; }

 private:
  class NodeProgram;
  struct Seat;

  void tell(const Deed& deed);
  bool sees(size_t seat, size_t peer) const;
  mrt::Address call_address(size_t seat, size_t caller);
  void try_another(size_t seat);
  Instant introduce();
  bool begin(size_t seat, bool as_host);
  void end(size_t seat);
  void on_event(size_t seat, const Event& event);
  void take(size_t seat, const RoleChanged& event);
  void take(size_t seat, const RosterChanged& event);
  void take(size_t seat, const PeerJoined& event);
  void take(size_t seat, const PeerLeft& event);
  void take(size_t seat, const ChatDelivered& event);
  void take(size_t seat, const GapFound& event);
  void take(size_t seat, const OwnStable& event);
  void take(size_t seat, const FileOffered& event);
  void take(size_t seat, const FileWithdrawn& event);
  void take(size_t seat, const FileReceived& event);
  void take(size_t seat, const Migrated& event);
  void take(size_t seat, const JoinDone& event);
  void take(size_t seat, const CommandFailed& event);
  void take(size_t seat, const Stopped& event);
  template <class Other>
  void take(size_t, const Other&) {}
  void check_consistency(size_t seat);

  World world_;
  StarConfig config_;
  mrt::Random random_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::map<NodeId, size_t> seat_by_id_;
  std::map<Incarnation, Life> life_by_start_;  // as the nodes and as the checker know them
  Acquaintance acquaintance_;
  Checker checker_;
  std::vector<std::unique_ptr<mrt::Bytes>> contents_;  // what the checker compares with
  std::vector<MigrationSeen> migrations_;
  std::vector<Figure> figures_;
  uint32_t lives_ = 0;
  uint64_t said_ = 0;
  uint64_t commands_ = 0;
  uint64_t received_count_ = 0;
  uint64_t joins_failed_ = 0;
  uint64_t wrongly_lost_ = 0;
  Watcher watcher_;
  DeedWatcher deed_watcher_;
};

}  // namespace node::sim
