// SPDX-License-Identifier: MIT
//
// The connections of an endpoint and how each is found: by its id, by the connection id in a
// packet, by the RCON it began with, by its peer's address; whose deadline is next, and whose turn
// it is to send. It knows nothing of packets.
//
// 1. A resident is in every index under what it stands for there, in the queue of turns at most
//    once, and among the deadlines while it has one.
// 2. What is asked for each packet and each command is flat and costs the same for ten as for
//    thousands; what only calls and farewells need are trees.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "mrt/base/number_table.h"
#include "mrt/connection.h"
#include "mrt/deadlines.h"
#include "mrt/doors.h"

namespace mrt {

struct Resident;

/// Where one stands in a line.
struct Place {
  bool taken = false;
  Resident* after = nullptr;
  Resident* before = nullptr;
};

struct Resident : Deadline {
  std::unique_ptr<Connection> connection;
  Place turn;              // to send
  Place urgent_turn;       // to send what is interactive; never without the other
  Address remote;          // as it stands in the index
  bool half_open = false;  // is counted
  Doors::Try tried = Doors::Try::nothing;
};

/// Those that wait, the longest first.
template <Place Resident::*place>
class Line {
 public:
  Resident* first() const { return first_; }
  bool has_one() const { return first_ && first_ == last_; }
  /// At the end. Does nothing where it stands in it.
  void add(Resident& resident) {
    if ((resident.*place).taken) return;
    resident.*place = {true, nullptr, last_};
    (last_ ? (last_->*place).after : first_) = &resident;
    last_ = &resident;
  }
  void remove(Resident& resident) {
    const Place was = std::exchange(resident.*place, {});
    if (!was.taken) return;
    (was.before ? (was.before->*place).after : first_) = was.after;
    (was.after ? (was.after->*place).before : last_) = was.before;
  }
  size_t count() const {
    size_t out = 0;
    for (const Resident* each = first_; each; each = (each->*place).after) ++out;
    return out;
  }

 private:
  Resident* first_ = nullptr;
  Resident* last_ = nullptr;
};

class Residents {
 public:
  Resident& add(std::unique_ptr<Connection> connection);
  void remove(Resident& resident);

  Resident* find(ConnectionId id) const { return by_id_.find(id.value); }
  Resident* find_by_cid(uint64_t cid) const { return by_cid_.find(cid); }
  /// The one that began with an RCON of that id, whoever sent it.
  Resident* find_by_initiator(const HandshakeId& id) const;
  /// Calls visit(resident) for all of that peer, the oldest first, until one says true; gives it.
  template <class Visit>
  Resident* find_by_remote(const Address& remote, Visit visit) const {
    auto it = by_remote_.lower_bound({remote, ConnectionId{0}});
    for (; it != by_remote_.end() && it->first == remote; ++it) {
      Resident* resident = find(it->second);
      if (visit(*resident)) return resident;
    }
    return nullptr;
  }

  /// After anything was done to it: its deadline, its address, whether it is half open.
  void update(Resident& resident);
  /// Another RCON counts as its beginning.
  void update_initiator(Resident& resident, const HandshakeId& before);

  Instant next_deadline() const { return deadlines_.next(); }
  /// REQUIRES: next_deadline() is not never.
  Resident& first_due() const { return deadlines_.first(); }
  /// It may have something to send.
  void queue_turn(Resident& resident);
  /// Whose turn it is to send. What is interactive goes first and alone, whosever it is; but for
  /// each batch of that somebody's whole turn comes.
  struct Turn {
    Resident* resident = nullptr;  // nobody waits
    bool urgent_only = false;
  };
  Turn take_turn();
  void on_sent(const Turn& turn, size_t bytes);

  size_t size() const { return all_.size(); }
  size_t half_open() const { return half_open_; }
  /// The oldest first.
  const std::vector<std::unique_ptr<Resident>>& all() const { return all_; }
  bool is_consistent() const;

 private:
  void drop_turns(Resident& resident);

  std::vector<std::unique_ptr<Resident>> all_;  // sorted by id: ids rise
  NumberTable<Resident> by_id_;
  NumberTable<Resident> by_cid_;
  std::map<HandshakeId, ConnectionId> by_initiator_id_;
  std::set<std::pair<Address, ConnectionId>> by_remote_;
  Deadlines<Resident> deadlines_;
  Line<&Resident::turn> turns_;
  Line<&Resident::urgent_turn> urgent_turns_;
  size_t overtaken_ = 0;  // bytes that went in urgent turns since the last other one
  size_t half_open_ = 0;
};

}  // namespace mrt
