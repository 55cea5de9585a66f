// SPDX-License-Identifier: MIT
#include "node/sim/world.h"

#include <xxhash.h>

#include <algorithm>

#include "mrt/base/check.h"

namespace node::sim {

// Thuban's own range (WIRE.md: any port will do); one port for all reads best in a trace.
static constexpr uint16_t first_port = 7700;
// So many turns at one instant and a program is spinning: a turn sends up to 16 batches, and
// no script makes it send a hundred thousand of them at once.
static constexpr uint64_t turns_at_once_max = 10'000;

/// A program's outbox during its turn: what it sends goes straight to the links.
class World::Outlet final : public Outbox {
 public:
  Outlet(World& world, HostId from) : world_(world), from_(from) {}
  mrt::MutableBytes transmit_buffer() override { return world_.transmit_buffer_; }
  void transmit(const mrt::Transmit& batch) override {
    CHECK(batch.size <= world_.transmit_buffer_.size());
    world_.send(from_, batch, mrt::ByteView(world_.transmit_buffer_).first(batch.size));
  }

 private:
  World& world_;
  HostId from_;
};

bool World::Event::operator>(const Event& other) const {
  return at != other.at ? at > other.at : number > other.number;
}

World::World(const WorldConfig& config)
    : config_(config),
      random_(mrt::seed_from(config.seed)),
      link_seed_(random_.fork()),
      hash_(XXH3_createState(), [](XXH3_state_s* state) { XXH3_freeState(state); }),
      transmit_buffer_(mrt::batch_bytes_max) {
  XXH3_64bits_reset(hash_.get());
}

World::~World() = default;

// Hosts.

World::Host& World::host(HostId id) const {
  CHECK(id.value < hosts_.size());
  return *hosts_[id.value];
}

HostId World::add_host() {
  const HostId id{static_cast<uint32_t>(hosts_.size())};
  CHECK(id.value < 0xffffff);
  const uint32_t ip = id.value + 1;
  const auto byte = [ip](int shift) { return static_cast<uint8_t>(ip >> shift); };
  auto added = std::make_unique<Host>();
  added->address = mrt::Address::v4(10, byte(16), byte(8), byte(0), first_port);
  by_address_[added->address] = id;
  hosts_.push_back(std::move(added));
  return id;
}

const mrt::Address& World::address(HostId id) const { return host(id).address; }

Program* World::program(HostId id) const { return host(id).program.get(); }

void World::start(HostId id, std::unique_ptr<Program> program) {
  Host& at = host(id);
  CHECK(!at.program);
  at.program = std::move(program);
  schedule_turn(id, now_);
}

void World::wake(HostId id) { schedule_turn(id, now_); }

// Gateways.

HostId World::add_gateway(const NatSpec& spec) {
  const HostId id{static_cast<uint32_t>(hosts_.size())};
  const auto number = static_cast<uint32_t>(gateways_.size() + 1);
  CHECK(number < 0x1'0000);
  auto added = std::make_unique<Host>();
  // RFC 2544's own network, so that nobody takes it for a host of the world or for a LAN.
  added->address =
      mrt::Address::v4(198, 18, static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number), 0);
  mrt::Random::Seed seed = link_seed_;
  seed[8] ^= static_cast<uint8_t>(number >> 8);
  seed[9] ^= static_cast<uint8_t>(number);
  added->nat = std::make_unique<Nat>(spec, added->address, seed);
  gateways_[added->address.ip] = id;
  hosts_.push_back(std::move(added));
  return id;
}

void World::put_behind(HostId inside, HostId gateway) {
  CHECK(host(gateway).nat && !host(inside).nat);
  host(inside).gateway = gateway;
}

const NatSpec& World::nat(HostId gateway) const {
  CHECK(host(gateway).nat);
  return host(gateway).nat->spec();
}

mrt::Address World::address_for(HostId id, HostId from) {
  const Host& at = host(id);
  if (!at.gateway || at.gateway == host(from).gateway) return at.address;
  const auto& theirs = host(from).gateway;
  return host(*at.gateway)
      .nat->send_out(now_, at.address, theirs ? host(*theirs).address : host(from).address);
}

void World::reboot(HostId gateway) {
  CHECK(host(gateway).nat);
  host(gateway).nat->reboot();
}

// Faults.

void World::crash(HostId id) {
  Host& at = host(id);
  at.program.reset();
  at.frozen = false;
  at.turn_at = mrt::never;
  at.socket.clear();
  at.socket_bytes = 0;
}

void World::freeze(HostId id) { host(id).frozen = true; }

void World::thaw(HostId id) {
  Host& at = host(id);
  if (!at.frozen) return;
  at.frozen = false;
  // A real loop may wake to its timers first or to its socket first: both must be right.
  if (random_.chance(0.5)) take_turn(id);
  at.socket_bytes = 0;
  deliver(id, std::exchange(at.socket, {}));
  schedule_turn(id, now_);
}

bool World::is_frozen(HostId id) const { return host(id).frozen; }

void World::change_port(HostId id) {
  Host& at = host(id);
  CHECK(!at.program);
  by_address_.erase(at.address);
  ++at.address.port;
  by_address_[at.address] = id;
}

void World::partition(const std::vector<std::vector<HostId>>& groups) {
  for (const auto& each : hosts_) each->group = 0;
  for (size_t group = 0; group < groups.size(); ++group) {
    for (const HostId id : groups[group]) host(id).group = group + 1;
  }
}

void World::heal() {
  partition({});
  cuts_.clear();
}

void World::cut(HostId from, HostId to, bool is_cut) {
  if (is_cut) {
    cuts_.insert({from, to});
  } else {
    cuts_.erase({from, to});
  }
}

bool World::is_cut(HostId from, HostId to) const {
  if (host(to).nat) return false;  // whose it is tells the gateway
  return host(from).group != host(to).group || cuts_.contains({from, to});
}

void World::change_link(HostId from, HostId to, const LinkSpec& spec) {
  const auto& gateway = host(to).gateway;
  if (gateway && gateway != host(from).gateway) to = *gateway;
  wires_[wire_between(from, to)].link.change(spec);
}

void World::change_links(const LinkSpec& spec) {
  config_.link = spec;
  for (Wire& wire : wires_) wire.link.change(spec);
}

// Time.

uint64_t World::push(Instant when, Event::Kind kind, size_t index) {
  events_.push_back({when, number_next_, kind, index});
  std::push_heap(events_.begin(), events_.end(), std::greater<>{});
  return number_next_++;
}

void World::at(Instant when, std::function<void()> action) {
  CHECK(when >= now_);
  actions_[push(when, Event::Kind::action, 0)] = std::move(action);
}

Instant World::next() const { return events_.empty() ? mrt::never : events_.front().at; }

bool World::step() {
  if (events_.empty()) return false;
  std::pop_heap(events_.begin(), events_.end(), std::greater<>{});
  const Event event = events_.back();
  events_.pop_back();
  now_ = event.at;
  ++counters_.events;
  switch (event.kind) {
    case Event::Kind::turn: {
      const HostId id{static_cast<uint32_t>(event.index)};
      if (host(id).turn_at == event.at) take_turn(id);
      break;
    }
    case Event::Kind::arrival:
      arrive(event.index);
      break;
    case Event::Kind::action: {
      const auto action = actions_.extract(event.number);
      action.mapped()();
      break;
    }
  }
  return true;
}

void World::run_until(Instant end) {
  while (next() <= end) step();
  now_ = std::max(now_, end);
}

void World::schedule_turn(HostId id, Instant when) {
  Host& at = host(id);
  if (when == mrt::never) return;
  when = std::max(when, now_);
  if (at.turn_at <= when) return;
  at.turn_at = when;
  push(when, Event::Kind::turn, id.value);
}

void World::take_turn(HostId id) {
  Host& at = host(id);
  at.turn_at = mrt::never;
  if (!at.program || at.frozen) return;
  if (at.turn_last != now_) at.turns_at_once = 0;
  at.turn_last = now_;
  if (++at.turns_at_once > turns_at_once_max) {
    if (!spinning_) spinning_ = id;
    return;  // it is not run again by its own wish, so that the world can end
  }
  Outlet outlet(*this, id);
  schedule_turn(id, at.program->turn(now_, outlet));
}

// Datagrams.

void World::send(HostId from, const mrt::Transmit& batch, mrt::ByteView bytes) {
  CHECK(batch.size > 0 && batch.segment_size > 0);
  while (!bytes.empty()) {
    const size_t size = std::min(batch.segment_size, bytes.size());
    send_one(from, batch, bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

/// The host, or the gateway, that has that address as `from` sees it.
std::optional<HostId> World::way_to(HostId from, const mrt::Address& target) const {
  const auto outer = gateways_.find(target.ip);
  if (outer != gateways_.end()) {
    const bool back_in = host(from).gateway == outer->second;
    if (back_in && !host(outer->second).nat->spec().hairpins) return std::nullopt;
    return outer->second;
  }
  const auto to = by_address_.find(target);
  if (to == by_address_.end()) return std::nullopt;
  const auto& gateway = host(to->second).gateway;
  const bool is_private = gateway && gateway != host(from).gateway;
  return is_private ? std::nullopt : std::optional(to->second);
}

mrt::Address World::source_of(HostId from, HostId to, const mrt::Address& target) {
  const Host& sender = host(from);
  if (!sender.gateway || sender.gateway == host(to).gateway) return sender.address;
  return host(*sender.gateway).nat->send_out(now_, sender.address, target);
}

void World::send_one(HostId from, const mrt::Transmit& batch, mrt::ByteView bytes) {
  const mrt::Address& target = batch.path.remote;
  ++counters_.datagrams_sent;
  counters_.bytes_sent += bytes.size();
  const auto to = way_to(from, target);
  const bool lost = !to || is_cut(from, *to);
  const mrt::Address source = to ? source_of(from, *to, target) : host(from).address;
  note(lost ? Passage::Kind::cut : Passage::Kind::sent, source, target, bytes);
  if (lost) return;
  const size_t wire = wire_between(from, *to);
  wires_[wire].link.send(now_,
                         {{target, source}, batch.ecn, mrt::Bytes(bytes.begin(), bytes.end())});
  schedule_arrival(wire);
}

size_t World::wire_between(HostId from, HostId to) {
  const auto [found, is_new] = wire_index_.try_emplace({from, to}, wires_.size());
  if (is_new) {
    mrt::Random::Seed seed = link_seed_;
    for (int i = 0; i < 4; ++i) {
      seed[static_cast<size_t>(i)] ^= static_cast<uint8_t>(from.value >> (8 * i));
      seed[static_cast<size_t>(i) + 4] ^= static_cast<uint8_t>(to.value >> (8 * i));
    }
    wires_.push_back({from, to, Link(config_.link, seed)});
  }
  return found->second;
}

void World::schedule_arrival(size_t index) {
  Wire& wire = wires_[index];
  const Instant next = wire.link.next();
  if (next >= wire.scheduled) return;
  wire.scheduled = next;
  push(next, Event::Kind::arrival, index);
}

void World::arrive(size_t index) {
  Wire& wire = wires_[index];
  if (wire.scheduled == now_) wire.scheduled = mrt::never;
  std::vector<Datagram> datagrams;
  while (auto datagram = wire.link.poll(now_)) datagrams.push_back(std::move(*datagram));
  schedule_arrival(index);
  if (const Nat* nat = host(wire.to).nat.get()) {
    for (Datagram& one : datagrams) pass_gateway(*nat, wires_[index].from, std::move(one));
  } else if (!datagrams.empty()) {
    deliver(wire.to, std::move(datagrams));
  }
}

void World::pass_gateway(const Nat& nat, HostId from, Datagram datagram) {
  mrt::Path& path = datagram.path;
  const auto inside = nat.let_in(now_, path.local.port, path.remote);
  const auto to = inside ? by_address_.find(*inside) : by_address_.end();
  if (to == by_address_.end() || is_cut(from, to->second)) {
    return note(Passage::Kind::cut, path.remote, path.local, datagram.bytes);
  }
  path.local = *inside;
  std::vector<Datagram> one;
  one.push_back(std::move(datagram));
  deliver(to->second, std::move(one));
}

void World::deliver(HostId id, std::vector<Datagram> datagrams) {
  Host& at = host(id);
  const auto joins = [&](const Datagram& first, const Datagram& last, const Datagram& next,
                         size_t size) {
    return config_.joins_on_arrival && next.path == first.path && next.ecn == first.ecn &&
           last.bytes.size() == first.bytes.size() && next.bytes.size() <= first.bytes.size() &&
           size + next.bytes.size() <= mrt::batch_bytes_max;
  };
  for (size_t i = 0; i < datagrams.size();) {
    Datagram& first = datagrams[i];
    const size_t size = first.bytes.size();
    // Its program is gone, or another that listens elsewhere runs now.
    const bool nobody = !at.program || first.path.local != at.address;
    if (nobody || (at.frozen && at.socket_bytes + size > config_.socket_buffer_bytes)) {
      ++counters_.datagrams_missed;
      note(Passage::Kind::missed, first.path.remote, first.path.local, first.bytes);
      ++i;
      continue;
    }
    if (at.frozen) {
      at.socket_bytes += size;
      at.socket.push_back(std::move(first));
      ++i;
      continue;
    }
    mrt::Bytes batch;
    size_t next = i;
    do {
      const Datagram& datagram = datagrams[next];
      ++counters_.datagrams_arrived;
      note(Passage::Kind::arrived, datagram.path.remote, datagram.path.local, datagram.bytes);
      batch.insert(batch.end(), datagram.bytes.begin(), datagram.bytes.end());
      ++next;
    } while (next < datagrams.size() && next - i < mrt::batch_segments_max && size > 0 &&
             joins(first, datagrams[next - 1], datagrams[next], batch.size()));
    at.program->on_datagrams(now_, first.path, first.ecn, size, batch);
    i = next;
  }
  if (at.program && !at.frozen) take_turn(id);
}

// What happened.

void World::note(Passage::Kind kind, const mrt::Address& from, const mrt::Address& to,
                 mrt::ByteView bytes) {
  mrt::Bytes head(1 + 8 + 2 * 18 + 4);
  mrt::Writer writer{head};
  writer.u8(static_cast<uint8_t>(kind));
  writer.u64(static_cast<uint64_t>(now_.time_since_epoch().count()));
  for (const mrt::Address* address : {&from, &to}) {
    writer.bytes(address->ip);
    writer.u16(address->port);
  }
  writer.u32(static_cast<uint32_t>(bytes.size()));
  XXH3_64bits_update(hash_.get(), head.data(), head.size());
  XXH3_64bits_update(hash_.get(), bytes.data(), bytes.size());
  if (watcher_) watcher_({kind, now_, from, to, bytes});
}

void World::record(HostId id, std::string_view what) {
  mrt::Bytes head(8 + 4 + 4);
  mrt::Writer writer{head};
  writer.u64(static_cast<uint64_t>(now_.time_since_epoch().count()));
  writer.u32(id.value);
  writer.u32(static_cast<uint32_t>(what.size()));
  XXH3_64bits_update(hash_.get(), head.data(), head.size());
  XXH3_64bits_update(hash_.get(), what.data(), what.size());
}

uint64_t World::digest() const { return XXH3_64bits_digest(hash_.get()); }

LinkCounters World::link_counters() const {
  LinkCounters sum;
  for (const Wire& wire : wires_) {
    const LinkCounters& one = wire.link.counters();
    sum.sent += one.sent;
    sum.delivered += one.delivered;
    sum.cut += one.cut;
    sum.lost += one.lost;
    sum.dropped += one.dropped;
    sum.duplicated += one.duplicated;
    sum.reordered += one.reordered;
    sum.corrupted += one.corrupted;
  }
  return sum;
}

}  // namespace node::sim
