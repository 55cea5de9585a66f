// SPDX-License-Identifier: MIT
//
// What a user asks of an endpoint: commands and getters, each handed to its connection.
#include "mrt/base/check.h"
#include "mrt/connection.h"
#include "mrt/endpoint.h"
#include "mrt/residents.h"

namespace mrt {

// -- Commands --

std::optional<ConnectionId> Endpoint::connect(Instant now, const Path& path,
                                              const std::optional<NetworkKey>& shown) {
  if (!path.remote.is_unicast()) return std::nullopt;
  const bool as_guest = config_.network_key.access == Access::secret && path.is_on_one_host();
  const NetworkKey key = shown ? *shown : as_guest ? NetworkKey{} : config_.network_key;
  if (Resident* known = find_by_remote(path.remote)) {
    const ConnectionId id = known->connection->id();
    known->connection->call_too(now, key);
    settle(*known);
    return id;
  }
  if (residents_->size() >= config_.connections_max) return std::nullopt;
  const uint64_t cid = new_cid();
  const Connection::Names names{next_id_, cid, random_.array<16>(), secrets_.reset_token(cid)};
  Resident& resident =
      add(std::make_unique<Connection>(now, *household_, names, path, random_.fork(), key));
  settle(resident);
  return names.id;
}

void Endpoint::set_network_key(const NetworkKey& key) { config_.network_key = key; }

template <class Result, class Action>
Result Endpoint::command(ConnectionId id, Result otherwise, Action action) {
  Resident* resident = residents_->find(id);
  if (!resident || resident->connection->is_over()) return otherwise;
  Result result = action(*resident->connection);
  settle(*resident);
  return result;
}

template <class Result, class Action>
Result Endpoint::add_to_send(ConnectionId id, Result otherwise, Action action) {
  Resident* resident = residents_->find(id);
  if (!resident || resident->connection->is_over()) return otherwise;
  Result result = action(*resident->connection);
  DCHECK(resident->connection->is_consistent());
  residents_->queue_turn(*resident);
  return result;
}

void Endpoint::close(Instant now, ConnectionId id, CloseCode code, std::string_view reason) {
  command(id, false, [&](Connection& connection) {
    connection.close(now, code, reason);
    return true;
  });
}

void Endpoint::close_when_sent(Instant now, ConnectionId id, CloseCode code,
                               std::string_view reason, Duration limit) {
  command(id, false, [&](Connection& connection) {
    connection.close_when_sent(now, code, reason, limit);
    return true;
  });
}

void Endpoint::send_opening(Instant, const Path& path) {
  if (path.remote.is_unicast()) reply(path, opening_packet());
}

std::optional<StreamId> Endpoint::open_stream(ConnectionId id, Priority priority) {
  return command(id, std::optional<StreamId>(),
                 [&](Connection& connection) { return connection.open_stream(priority); });
}

void Endpoint::set_priority(ConnectionId id, StreamId stream, Priority priority) {
  command(id, false, [&](Connection& connection) {
    connection.set_priority(stream, priority);
    return true;
  });
}

size_t Endpoint::write(Instant, ConnectionId id, StreamId stream, ByteView bytes) {
  return add_to_send(id, size_t{0},
                     [&](Connection& connection) { return connection.write(stream, bytes); });
}

void Endpoint::finish(Instant, ConnectionId id, StreamId stream) {
  command(id, false, [&](Connection& connection) {
    connection.finish(stream);
    return true;
  });
}

void Endpoint::reset_stream(Instant, ConnectionId id, StreamId stream, uint64_t code) {
  command(id, false, [&](Connection& connection) {
    connection.reset_stream(stream, code);
    return true;
  });
}

size_t Endpoint::read(Instant, ConnectionId id, StreamId stream, MutableBytes out) {
  return command(id, size_t{0},
                 [&](Connection& connection) { return connection.read(stream, out); });
}

bool Endpoint::send_message(Instant, ConnectionId id, Priority priority, SharedBytes bytes) {
  return add_to_send(id, false, [&](Connection& connection) {
    return connection.send_message(priority, std::move(bytes));
  });
}

bool Endpoint::send_datagram(Instant, ConnectionId id, ByteView bytes) {
  return add_to_send(id, false,
                     [&](Connection& connection) { return connection.send_datagram(bytes); });
}

// -- Getters --

const PublicKey& Endpoint::public_key() const { return identity_.public_key(); }

std::optional<PublicKey> Endpoint::peer_key(ConnectionId id) const {
  const Resident* resident = residents_->find(id);
  return resident ? resident->connection->peer_key() : std::nullopt;
}

std::optional<NetworkKey> Endpoint::key_shown(ConnectionId id) const {
  const Resident* resident = residents_->find(id);
  return resident ? std::optional(resident->connection->key_shown()) : std::nullopt;
}

std::optional<ConnectionStats> Endpoint::stats(ConnectionId id) const {
  const Resident* resident = residents_->find(id);
  if (!resident || resident->connection->is_over()) return std::nullopt;
  return resident->connection->stats();
}

const EndpointStats& Endpoint::endpoint_stats() const { return stats_; }

size_t Endpoint::send_room(ConnectionId id) const {
  const Resident* resident = residents_->find(id);
  return resident ? resident->connection->send_room() : 0;
}

std::vector<ConnectionId> Endpoint::connections() const {
  std::vector<ConnectionId> out;
  for (const auto& resident : residents_->all())
    if (resident->connection->is_open()) out.push_back(resident->connection->id());
  return out;
}

bool Endpoint::is_consistent() const { return residents_->is_consistent(); }

}  // namespace mrt
