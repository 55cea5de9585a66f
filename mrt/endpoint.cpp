// SPDX-License-Identifier: MIT
//
// What comes to an endpoint and goes from it, and the set of its connections.
#include "mrt/endpoint.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/connection.h"
#include "mrt/wire.h"

namespace mrt {

namespace {

// Events that wait for poll_event(). A driver takes them after each input, so only one
// that does not comes here; datagrams are then dropped like in a full socket buffer.
constexpr size_t events_max = 16'384;
// Answers that belong to no connection and wait for poll_transmit().
constexpr size_t replies_max = 64;
// WIRE.md 3.6: RESETs a second.
constexpr int resets_per_second = 100;

}  // namespace

Endpoint::Endpoint(const EndpointConfig& config, const Random::Seed& seed)
    : config_(config),
      random_(seed),
      secrets_(random_),
      identity_(config.identity),
      household_(std::make_unique<Household>(Household{config_, identity_, ciphers_})) {}

Endpoint::~Endpoint() = default;

// -- Inputs --

void Endpoint::on_datagrams(Instant now, const Path& path, Ecn, size_t segment_size,
                            MutableBytes bytes) {
  if (segment_size == 0) segment_size = bytes.size();
  Entry* batch = nullptr;  // whose packets are being given
  while (!bytes.empty()) {
    const MutableBytes packet = bytes.first(std::min(segment_size, bytes.size()));
    bytes = bytes.subspan(packet.size());
    ++stats_.datagrams_received;
    const PacketForm form = packet_form(packet[0]);
    if (form == PacketForm::foreign || events_.size() >= events_max) {
      ++stats_.datagrams_dropped;
    } else if (form == PacketForm::short_packet) {
      on_short(now, path, packet, batch);
    } else {
      end_batch(now, batch);  // what comes may end that connection
      on_long(now, path, packet);
    }
  }
  end_batch(now, batch);
}

void Endpoint::end_batch(Instant now, Entry*& batch) {
  if (!batch) return;
  batch->connection->on_batch_end(now);
  settle(*batch);
  batch = nullptr;
}

void Endpoint::on_short(Instant now, const Path& path, MutableBytes packet, Entry*& batch) {
  const auto header = read_short_header(packet);
  if (!header) {
    ++stats_.datagrams_dropped;
    return;
  }
  if (!batch || batch->connection->scid() != header->dcid) {
    end_batch(now, batch);
    batch = find_by_cid(header->dcid);
  }
  if (!batch) return answer_unknown(now, path, header->dcid, packet.size());
  const bool was_half_open = batch->connection->is_half_open();
  if (!batch->connection->on_packet(now, path, *header, packet)) ++stats_.datagrams_dropped;
  if (was_half_open && batch->connection->is_open()) on_opened(now, *batch);
}

void Endpoint::on_long(Instant now, const Path& path, ByteView packet) {
  const auto header = read_long_header(packet);
  if (!header) {
    ++stats_.datagrams_dropped;
    return;
  }
  const bool known_version = header->version == wire_version || header->type == LongType::version;
  if (!known_version) {
    // WIRE.md 3.4.
    if (header->type == LongType::rcon && packet.size() >= packet_bytes_initial)
      reply(path, write_packet(VersionList{header->scid, {wire_version}}));
    ++stats_.datagrams_dropped;
    return;
  }
  switch (header->type) {
    case LongType::rcon:
      return on_rcon(now, path, packet);
    case LongType::acon:
      return on_acon(now, path, packet);
    case LongType::cookie:
      return on_cookie(packet);
    case LongType::reset:
      return on_reset(path, packet);
    case LongType::version:
      return on_version_list(packet);
    case LongType::refuse:
      return on_refuse(packet);
    case LongType::opening:
      return;  // it has done its work at the sender's NAT
  }
}

void Endpoint::on_rcon(Instant now, const Path& path, ByteView packet) {
  const auto rcon = read_rcon(packet);
  if (!rcon) {
    ++stats_.datagrams_dropped;
    return;
  }
  if (const auto known = by_initiator_id_.find(rcon->id); known != by_initiator_id_.end()) {
    Entry& entry = *find(known->second);
    entry.connection->on_rcon_again(path);
    return settle(entry);
  }
  Entry* calling = find_by_remote(path.remote);
  if (calling && calling->connection->on_rival_rcon(now)) return settle(*calling);
  if (!calling || !calling->connection->is_requesting()) return accept(now, path, *rcon);
  // WIRE.md 3.2: both call at once. The owner of the smaller handshake id stays initiator.
  const auto theirs = read_parameters(rcon->parameters);
  if (!theirs || *calling->connection->calling_id() < rcon->id) return;
  CloseCode why{};
  const auto key = key_for(path, *rcon, &calling->connection->key_shown(), why);
  if (!key) return refuse(path, *rcon, why);
  const auto tried = knock(now, path, *rcon, *key);
  if (!tried) return;
  calling->tried = *tried;
  const HandshakeId before = calling->connection->initiator_id();
  if (!calling->connection->answer_instead(now, *rcon, *theirs, *key)) {
    ++stats_.datagrams_dropped;
    return;
  }
  reindex(*calling, before);
  settle(*calling);
}

void Endpoint::accept(Instant now, const Path& path, const Rcon& rcon) {
  if (!config_.accepting) return refuse(path, rcon, CloseCode::refused, "not accepting");
  const auto theirs = read_parameters(rcon.parameters);
  if (!theirs) return refuse(path, rcon, CloseCode::transport_parameter, "parameters");
  CloseCode why{};
  const auto key = key_for(path, rcon, nullptr, why);
  if (!key) return refuse(path, rcon, why);
  const auto tried = knock(now, path, rcon, *key);
  if (!tried) return;
  // A part is kept for those who were here before, so that a crowd at the door keeps no member
  // out that has lost its connection.
  const bool known = doors_.is_known(path.remote);
  const auto places = [known](size_t max) { return known ? max : max - max / 8; };
  if (half_open_ >= places(config_.half_open_max)) {
    ++stats_.datagrams_dropped;  // it calls again, and perhaps there is room then
    return;
  }
  if (entries_.size() >= places(config_.connections_max))
    return refuse(path, rcon, CloseCode::refused, "full");
  const uint64_t cid = new_cid();
  const Connection::Names names{next_id_, cid, random_.array<16>(), secrets_.reset_token(cid)};
  Entry& entry = add(std::make_unique<Connection>(now, *household_, names, path, random_.fork(),
                                                  rcon, *theirs, *key));
  entry.tried = *tried;
  settle(entry);
}

// WIRE.md 3.3: before any state and any arithmetic.
std::optional<Doors::Try> Endpoint::knock(Instant now, const Path& path, const Rcon& rcon,
                                          const NetworkKey& key) {
  const bool has_cookie = secrets_.cookie_is_right(now, path.remote, rcon.cookie);
  const bool guessing = key.access != Access::open;
  const bool crowded = half_open_ > config_.half_open_max / 2;
  switch (doors_.on_call(now, path.remote, has_cookie, guessing, crowded)) {
    case Doors::Verdict::ask_cookie:
      reply(path, write_packet(Cookie{rcon.scid, rcon.id, secrets_.cookie(now, path.remote)}));
      return std::nullopt;
    case Doors::Verdict::wait:
      ++stats_.datagrams_dropped;
      return std::nullopt;
    case Doors::Verdict::answer:
      break;
  }
  if (!guessing) return Doors::Try::nothing;
  return has_cookie ? Doors::Try::with_cookie : Doors::Try::without_cookie;
}

// WIRE.md 3.10: what the caller shows must be of the kind that is asked for here. Whether it is
// right the key exchange tells.
std::optional<NetworkKey> Endpoint::key_for(const Path& path, const Rcon& rcon,
                                            const NetworkKey* dialled, CloseCode& why) const {
  if (suite_for(rcon.suites, config_) == 0) {
    why = CloseCode::suite_mismatch;
    return std::nullopt;
  }
  if (config_.plain) return NetworkKey{};
  const auto offer = read_offer(rcon.handshake);
  if (!offer || !hint_fits(*offer, rcon.id, config_.network)) {
    why = offer ? CloseCode::other_network : CloseCode::protocol_violation;
    return std::nullopt;
  }
  // Both call each other: this side has a key for that one.
  if (dialled && dialled->access == offer->access) return *dialled;
  const NetworkKey& own = config_.network_key;
  if (offer->access == own.access) return own;
  const bool guest = offer->access == Access::open;
  if (guest && own.access == Access::secret && path.is_on_one_host()) return NetworkKey{};
  why = own.access == Access::password ? CloseCode::password_needed
        : own.access == Access::secret ? CloseCode::invite_needed
                                       : CloseCode::network_is_open;
  return std::nullopt;
}

void Endpoint::on_acon(Instant now, const Path& path, ByteView packet) {
  const auto acon = read_acon(packet);
  Entry* entry = acon ? find_by_cid(acon->dcid) : nullptr;
  if (!entry) {
    ++stats_.datagrams_dropped;
    return;
  }
  const bool was_open = entry->connection->is_open();
  const HandshakeId before = entry->connection->initiator_id();
  entry->connection->on_acon(now, path, *acon);
  reindex(*entry, before);
  if (!was_open && entry->connection->is_open()) on_opened(now, *entry);
  settle(*entry);
}

void Endpoint::on_cookie(ByteView packet) {
  const auto cookie = read_cookie(packet);
  Entry* entry = cookie ? find_by_cid(cookie->dcid) : nullptr;
  if (!entry) {
    ++stats_.datagrams_dropped;
    return;
  }
  entry->connection->on_cookie(*cookie);
  settle(*entry);
}

void Endpoint::on_refuse(ByteView packet) {
  const auto refuse = read_refuse(packet);
  Entry* entry = refuse ? find_by_cid(refuse->dcid) : nullptr;
  if (!entry) {
    ++stats_.datagrams_dropped;
    return;
  }
  entry->connection->on_refuse(refuse->id, static_cast<CloseCode>(refuse->code), refuse->reason);
  settle(*entry);
}

void Endpoint::on_version_list(ByteView packet) {
  const auto list = read_version_list(packet);
  Entry* entry = list ? find_by_cid(list->dcid) : nullptr;
  if (!entry) {
    ++stats_.datagrams_dropped;
    return;
  }
  const auto& versions = list->versions;
  if (std::find(versions.begin(), versions.end(), wire_version) != versions.end()) return;
  if (const HandshakeId* id = entry->connection->calling_id())
    entry->connection->on_refuse(HandshakeId(*id), CloseCode::refused, "version");
  settle(*entry);
}

void Endpoint::on_reset(const Path& path, ByteView packet) {
  const auto reset = read_reset(packet);
  if (!reset) {
    ++stats_.datagrams_dropped;
    return;
  }
  auto it = by_remote_.lower_bound({path.remote, ConnectionId{0}});
  for (; it != by_remote_.end() && it->first == path.remote; ++it) {
    Entry& entry = *find(it->second);
    if (entry.connection->peer_cid() != reset->scid) continue;
    entry.connection->on_reset(*reset);
    return settle(entry);
  }
  ++stats_.datagrams_dropped;
}

void Endpoint::answer_unknown(Instant now, const Path& path, uint64_t dcid, size_t size) {
  ++stats_.datagrams_dropped;
  if (now - resets_since_ >= std::chrono::seconds(1)) {
    resets_since_ = now;
    resets_sent_ = 0;
  }
  if (size <= reset_packet_bytes || resets_sent_ >= resets_per_second) return;
  ++resets_sent_;
  reply(path, write_packet(Reset{dcid, secrets_.reset_token(dcid)}));
}

void Endpoint::reply(const Path& path, Bytes packet) {
  if (replies_.size() < replies_max) replies_.push_back({path, std::move(packet)});
}

void Endpoint::refuse(const Path& path, const Rcon& rcon, CloseCode code, std::string_view reason) {
  ++stats_.connections_refused;
  reply(path,
        write_packet(Refuse{rcon.scid, rcon.id, static_cast<uint64_t>(code), std::string(reason)}));
}

void Endpoint::on_timeout(Instant now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    Entry& entry = *find(deadlines_.begin()->second);
    entry.connection->on_timeout(now);
    settle(entry);
  }
}

// -- Outputs --

std::optional<Transmit> Endpoint::poll_transmit(Instant now, MutableBytes buffer) {
  if (buffer.size() < packet_bytes_initial) return std::nullopt;
  if (!replies_.empty()) {
    const Reply reply = std::move(replies_.front());
    replies_.pop_front();
    std::copy(reply.packet.begin(), reply.packet.end(), buffer.begin());
    return Transmit{reply.path, reply.packet.size(), reply.packet.size()};
  }
  while (!ready_.empty()) {
    Entry* entry = find(ready_.front());
    ready_.pop_front();
    if (!entry) continue;
    entry->ready = false;
    const auto batch = entry->connection->poll_transmit(now, buffer);
    // Who has sent a batch waits until the others had theirs.
    settle(*entry, batch.has_value());
    if (batch) return batch;
  }
  return std::nullopt;
}

std::optional<Event> Endpoint::poll_event() {
  if (events_.empty()) return std::nullopt;
  Event event = std::move(events_.front());
  events_.pop_front();
  if (const auto* message = std::get_if<MessageReceived>(&event)) {
    if (Entry* entry = find(message->connection)) {
      entry->connection->on_message_taken(message->bytes.size());
      settle(*entry);
    }
  } else if (const auto* datagram = std::get_if<DatagramReceived>(&event)) {
    if (Entry* entry = find(datagram->connection)) entry->connection->on_datagram_taken();
  }
  return event;
}

Instant Endpoint::next_timeout() const {
  return deadlines_.empty() ? never : deadlines_.begin()->first;
}

// -- The set of connections --

Endpoint::Entry* Endpoint::find(ConnectionId id) {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

const Endpoint::Entry* Endpoint::find(ConnectionId id) const {
  const auto it = entries_.find(id);
  return it == entries_.end() ? nullptr : &it->second;
}

Endpoint::Entry* Endpoint::find_by_cid(uint64_t cid) {
  const auto it = by_cid_.find(cid);
  return it == by_cid_.end() ? nullptr : find(it->second);
}

Endpoint::Entry* Endpoint::find_by_remote(const Address& remote) {
  auto it = by_remote_.lower_bound({remote, ConnectionId{0}});
  for (; it != by_remote_.end() && it->first == remote; ++it) {
    Entry* entry = find(it->second);
    if (!entry->connection->is_over()) return entry;
  }
  return nullptr;
}

uint64_t Endpoint::new_cid() {
  for (;;) {
    const uint64_t cid = random_.u64();
    if (cid != 0 && !by_cid_.contains(cid)) return cid;
  }
}

Endpoint::Entry& Endpoint::add(std::unique_ptr<Connection> connection) {
  const ConnectionId id = connection->id();
  next_id_.value = id.value + 1;
  by_cid_[connection->scid()] = id;
  by_initiator_id_[connection->initiator_id()] = id;
  Entry& entry = entries_[id];
  entry.remote = connection->path().remote;
  by_remote_.insert({entry.remote, id});
  entry.connection = std::move(connection);
  return entry;
}

void Endpoint::reindex(Entry& entry, const HandshakeId& before) {
  const HandshakeId& now = entry.connection->initiator_id();
  if (now == before) return;
  by_initiator_id_.erase(before);
  by_initiator_id_[now] = entry.connection->id();
}

void Endpoint::settle(Entry& entry, bool may_have_to_send) {
  Connection& connection = *entry.connection;
  DCHECK(connection.is_consistent());
  const ConnectionId id = connection.id();
  auto& events = connection.events();
  std::move(events.begin(), events.end(), std::back_inserter(events_));
  events.clear();
  if (connection.is_half_open() != entry.half_open) {
    entry.half_open = connection.is_half_open();
    entry.half_open ? ++half_open_ : --half_open_;
  }
  if (connection.is_dead()) return remove(entry);
  if (connection.next_timeout() != entry.deadline) {
    if (entry.deadline != never) deadlines_.erase({entry.deadline, id});
    entry.deadline = connection.next_timeout();
    if (entry.deadline != never) deadlines_.insert({entry.deadline, id});
  }
  // Where a peer was shown to be: one packet with a false sender puts nobody there.
  if (connection.is_path_proven() && connection.path().remote != entry.remote) {
    by_remote_.erase({entry.remote, id});
    entry.remote = connection.path().remote;
    by_remote_.insert({entry.remote, id});
  }
  if (may_have_to_send && !entry.ready) {
    entry.ready = true;
    ready_.push_back(id);
  }
}

// WIRE.md 3.2: a peer that was restarted. Its new connection is proven, the old one ends.
void Endpoint::on_opened(Instant now, Entry& entry) {
  const ConnectionId id = entry.connection->id();
  doors_.on_proven(now, entry.connection->path().remote, entry.tried);
  std::vector<ConnectionId> old;
  auto it = by_remote_.lower_bound({entry.connection->path().remote, ConnectionId{0}});
  for (; it != by_remote_.end() && it->first == entry.connection->path().remote; ++it)
    if (it->second != id && find(it->second)->connection->is_open()) old.push_back(it->second);
  for (const ConnectionId each : old) {
    Entry& other = *find(each);
    other.connection->abandon();
    settle(other);
  }
}

void Endpoint::remove(Entry& entry) {
  const Connection& connection = *entry.connection;
  const ConnectionId id = connection.id();
  if (entry.deadline != never) deadlines_.erase({entry.deadline, id});
  by_remote_.erase({entry.remote, id});
  by_cid_.erase(connection.scid());
  by_initiator_id_.erase(connection.initiator_id());
  if (entry.ready) std::erase(ready_, id);
  entries_.erase(id);
}

}  // namespace mrt
