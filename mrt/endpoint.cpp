// SPDX-License-Identifier: MIT
//
// What comes to an endpoint and goes from it, and the set of its connections.
#include "mrt/endpoint.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/connection.h"
#include "mrt/residents.h"
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
      household_(std::make_unique<Household>(Household{config_, identity_, ciphers_, {}, {}})),
      residents_(std::make_unique<Residents>()) {}

Endpoint::~Endpoint() = default;

// -- Inputs --

void Endpoint::on_datagrams(Instant now, const Path& path, Ecn, size_t segment_size,
                            MutableBytes bytes) {
  if (segment_size == 0) segment_size = bytes.size();
  Resident* batch = nullptr;  // whose packets are being given
  while (!bytes.empty()) {
    const MutableBytes packet = bytes.first(std::min(segment_size, bytes.size()));
    bytes = bytes.subspan(packet.size());
    ++stats_.datagrams_received;
    const PacketForm form = packet_form(packet[0]);
    if (form == PacketForm::foreign || household_->events.size() >= events_max) {
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

void Endpoint::end_batch(Instant now, Resident*& batch) {
  if (!batch) return;
  batch->connection->on_batch_end(now);
  patience_ = std::min(patience_, batch->connection->patience());
  settle(*batch);
  batch = nullptr;
}

Duration Endpoint::take_patience() {
  const Duration out = std::exchange(patience_, Duration::max());
  return out == Duration::max() ? Duration{} : out;
}

void Endpoint::on_short(Instant now, const Path& path, MutableBytes packet, Resident*& batch) {
  const auto header = read_short_header(packet);
  if (!header) {
    ++stats_.datagrams_dropped;
    return;
  }
  if (!batch || batch->connection->scid() != header->dcid) {
    end_batch(now, batch);
    batch = residents_->find_by_cid(header->dcid);
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
      return on_opening(now, path, packet);
  }
}

/// It has done its work at the sender's NAT; whence it came may be of interest.
void Endpoint::on_opening(Instant now, const Path& path, ByteView packet) {
  if (!hears_openings_ || packet.size() != opening_packet_bytes || openings_.is_spent(now)) return;
  openings_.spend(now);
  household_->events.push(OpeningHeard{path});
}

void Endpoint::on_rcon(Instant now, const Path& path, ByteView packet) {
  const auto rcon = read_rcon(packet);
  if (!rcon) {
    ++stats_.datagrams_dropped;
    return;
  }
  if (Resident* known = residents_->find_by_initiator(rcon->id)) {
    known->connection->on_rcon_again(path);
    return settle(*known);
  }
  Resident* calling = find_by_remote(path.remote);
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
  residents_->update_initiator(*calling, before);
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
  if (residents_->half_open() >= places(config_.half_open_max)) {
    ++stats_.datagrams_dropped;  // it calls again, and perhaps there is room then
    return;
  }
  if (residents_->size() >= places(config_.connections_max))
    return refuse(path, rcon, CloseCode::refused, "full");
  const uint64_t cid = new_cid();
  const Connection::Names names{next_id_, cid, random_.array<16>(), secrets_.reset_token(cid)};
  Resident& resident = add(std::make_unique<Connection>(now, *household_, names, path,
                                                        random_.fork(), rcon, *theirs, *key));
  resident.tried = *tried;
  settle(resident);
}

// WIRE.md 3.3: before any state and any arithmetic.
std::optional<Doors::Try> Endpoint::knock(Instant now, const Path& path, const Rcon& rcon,
                                          const NetworkKey& key) {
  const bool has_cookie = secrets_.cookie_is_right(now, path.remote, rcon.cookie);
  const bool guessing = key.access != Access::open;
  const bool crowded = residents_->half_open() > config_.half_open_max / 2;
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
  Resident* resident = acon ? residents_->find_by_cid(acon->dcid) : nullptr;
  if (!resident) {
    ++stats_.datagrams_dropped;
    return;
  }
  const bool was_open = resident->connection->is_open();
  const HandshakeId before = resident->connection->initiator_id();
  resident->connection->on_acon(now, path, *acon);
  residents_->update_initiator(*resident, before);
  if (!was_open && resident->connection->is_open()) on_opened(now, *resident);
  settle(*resident);
}

void Endpoint::on_cookie(ByteView packet) {
  const auto cookie = read_cookie(packet);
  Resident* resident = cookie ? residents_->find_by_cid(cookie->dcid) : nullptr;
  if (!resident) {
    ++stats_.datagrams_dropped;
    return;
  }
  resident->connection->on_cookie(*cookie);
  settle(*resident);
}

void Endpoint::on_refuse(ByteView packet) {
  const auto refuse = read_refuse(packet);
  Resident* resident = refuse ? residents_->find_by_cid(refuse->dcid) : nullptr;
  if (!resident) {
    ++stats_.datagrams_dropped;
    return;
  }
  resident->connection->on_refuse(refuse->id, static_cast<CloseCode>(refuse->code), refuse->reason);
  settle(*resident);
}

void Endpoint::on_version_list(ByteView packet) {
  const auto list = read_version_list(packet);
  Resident* resident = list ? residents_->find_by_cid(list->dcid) : nullptr;
  if (!resident) {
    ++stats_.datagrams_dropped;
    return;
  }
  const auto& versions = list->versions;
  if (std::find(versions.begin(), versions.end(), wire_version) != versions.end()) return;
  if (const HandshakeId* id = resident->connection->calling_id())
    resident->connection->on_refuse(HandshakeId(*id), CloseCode::refused, "version");
  settle(*resident);
}

void Endpoint::on_reset(const Path& path, ByteView packet) {
  const auto reset = read_reset(packet);
  if (!reset) {
    ++stats_.datagrams_dropped;
    return;
  }
  Resident* resident = residents_->find_by_remote(path.remote, [&](const Resident& each) {
    return each.connection->peer_cid() == reset->scid;
  });
  if (!resident) {
    ++stats_.datagrams_dropped;
    return;
  }
  resident->connection->on_reset(*reset);
  settle(*resident);
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
  while (residents_->next_deadline() <= now) {
    Resident& resident = residents_->first_due();
    resident.connection->on_timeout(now);
    settle(resident);
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
  for (;;) {
    const Residents::Turn turn = residents_->take_turn();
    if (!turn.resident) return std::nullopt;
    const auto batch = turn.resident->connection->poll_transmit(now, buffer, turn.urgent_only);
    if (batch) residents_->on_sent(turn, batch->size);
    // Who has sent a batch waits until the others had theirs.
    settle(*turn.resident, batch.has_value());
    if (batch) return batch;
  }
}

std::optional<Event> Endpoint::poll_event() {
  if (household_->events.empty()) return std::nullopt;
  Event event = household_->events.take();
  if (const auto* message = std::get_if<MessageReceived>(&event)) {
    Resident* resident = residents_->find(message->connection);
    if (resident && resident->connection->on_message_taken(message->bytes.size()))
      residents_->queue_turn(*resident);
  } else if (const auto* datagram = std::get_if<DatagramReceived>(&event)) {
    if (Resident* resident = residents_->find(datagram->connection))
      resident->connection->on_datagram_taken();
  }
  return event;
}

Instant Endpoint::next_timeout() const { return residents_->next_deadline(); }

// -- The set of connections --

Resident* Endpoint::find_by_remote(const Address& remote) {
  return residents_->find_by_remote(
      remote, [](const Resident& resident) { return !resident.connection->is_over(); });
}

uint64_t Endpoint::new_cid() {
  for (;;) {
    const uint64_t cid = random_.u64();
    if (cid != 0 && !residents_->find_by_cid(cid)) return cid;
  }
}

Resident& Endpoint::add(std::unique_ptr<Connection> connection) {
  next_id_.value = connection->id().value + 1;
  return residents_->add(std::move(connection));
}

void Endpoint::settle(Resident& resident, bool may_have_to_send) {
  DCHECK(resident.connection->is_consistent());
  if (resident.connection->is_dead()) return residents_->remove(resident);
  residents_->update(resident);
  if (may_have_to_send) residents_->queue_turn(resident);
}

// WIRE.md 3.2: a peer that was restarted. Its new connection is proven, the old one ends.
void Endpoint::on_opened(Instant now, Resident& resident) {
  const Address remote = resident.connection->path().remote;
  doors_.on_proven(now, remote, resident.tried);
  std::vector<Resident*> old;
  residents_->find_by_remote(remote, [&](Resident& other) {
    if (&other != &resident && other.connection->is_open()) old.push_back(&other);
    return false;
  });
  for (Resident* other : old) {
    other->connection->abandon();
    settle(*other);
  }
}

}  // namespace mrt
