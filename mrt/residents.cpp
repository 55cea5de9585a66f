// SPDX-License-Identifier: MIT
#include "mrt/residents.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace mrt {

Resident& Residents::add(std::unique_ptr<Connection> connection) {
  const ConnectionId id = connection->id();
  CHECK(all_.empty() || all_.back()->order < id.value);
  Resident& resident = *all_.emplace_back(std::make_unique<Resident>());
  resident.order = id.value;
  resident.remote = connection->path().remote;
  by_id_.insert(id.value, &resident);
  by_cid_.insert(connection->scid(), &resident);
  by_initiator_id_[connection->initiator_id()] = id;
  by_remote_.insert({resident.remote, id});
  resident.connection = std::move(connection);
  return resident;
}

void Residents::remove(Resident& resident) {
  const Connection& connection = *resident.connection;
  const ConnectionId id = connection.id();
  if (resident.half_open) --half_open_;
  deadlines_.set(resident, never);
  drop_turns(resident);
  by_remote_.erase({resident.remote, id});
  by_initiator_id_.erase(connection.initiator_id());
  by_cid_.erase(connection.scid());
  by_id_.erase(id.value);
  all_.erase(std::lower_bound(
      all_.begin(), all_.end(), id.value,
      [](const std::unique_ptr<Resident>& each, uint64_t order) { return each->order < order; }));
}

Resident* Residents::find_by_initiator(const HandshakeId& id) const {
  const auto it = by_initiator_id_.find(id);
  return it == by_initiator_id_.end() ? nullptr : find(it->second);
}

void Residents::update(Resident& resident) {
  const Connection& connection = *resident.connection;
  if (connection.is_half_open() != resident.half_open) {
    resident.half_open = connection.is_half_open();
    resident.half_open ? ++half_open_ : --half_open_;
  }
  deadlines_.set(resident, connection.next_timeout());
  // Where a peer was shown to be: one packet with a false sender puts nobody there.
  if (connection.is_path_proven() && connection.path().remote != resident.remote) {
    by_remote_.erase({resident.remote, connection.id()});
    resident.remote = connection.path().remote;
    by_remote_.insert({resident.remote, connection.id()});
  }
}

void Residents::update_initiator(Resident& resident, const HandshakeId& before) {
  const HandshakeId& now = resident.connection->initiator_id();
  if (now == before) return;
  by_initiator_id_.erase(before);
  by_initiator_id_[now] = resident.connection->id();
}

void Residents::queue_turn(Resident& resident) {
  turns_.add(resident);
  if (resident.connection->has_urgent()) urgent_turns_.add(resident);
}

void Residents::drop_turns(Resident& resident) {
  turns_.remove(resident);
  urgent_turns_.remove(resident);
}

Residents::Turn Residents::take_turn() {
  Resident* const next = turns_.first();
  Resident* const urgent = urgent_turns_.first();
  // Where it is its turn anyway, and nobody else is in a hurry, all may go along.
  const bool both = urgent == next && urgent_turns_.has_one();
  if (!urgent || both || overtaken_ >= batch_bytes_max) {
    if (next) drop_turns(*next);
    return {next, false};
  }
  urgent_turns_.remove(*urgent);
  return {urgent, true};
}

void Residents::on_sent(const Turn& turn, size_t bytes) {
  overtaken_ = turn.urgent_only ? overtaken_ + bytes : 0;
}

bool Residents::is_consistent() const {
  size_t half_open = 0;
  size_t queued = 0;
  size_t urgent = 0;
  size_t armed = 0;
  for (const auto& each : all_) {
    const Resident& resident = *each;
    const Connection& connection = *resident.connection;
    const ConnectionId id{resident.order};
    if (!connection.is_consistent() || connection.is_dead()) return false;
    half_open += resident.half_open ? 1 : 0;
    queued += resident.turn.taken ? 1 : 0;
    urgent += resident.urgent_turn.taken ? 1 : 0;
    if (resident.urgent_turn.taken && !resident.turn.taken) return false;
    armed += resident.deadline != never ? 1 : 0;
    if (resident.deadline != connection.next_timeout()) return false;
    if (resident.deadline != never && !deadlines_.holds(resident)) return false;
    if (find(id) != &resident || find_by_cid(connection.scid()) != &resident) return false;
    if (!by_remote_.contains({resident.remote, id})) return false;
  }
  return half_open == half_open_ && queued == turns_.count() && urgent == urgent_turns_.count() &&
         armed == deadlines_.size() && by_remote_.size() == all_.size() &&
         by_cid_.size() == all_.size() && by_id_.size() == all_.size() &&
         by_initiator_id_.size() == all_.size();
}

}  // namespace mrt
