// SPDX-License-Identifier: MIT
#include "stun/nat_watch.h"

#include <algorithm>
#include <iterator>

namespace stun {

using mrt::Address;
using mrt::Duration;
using mrt::Instant;

/// Of more events than this that nobody takes the oldest are lost: two families change in minutes.
static constexpr size_t events_max = 16;

/// As a Probe's first question: silence is a reason to ask the others, not yet for a verdict.
static constexpr Patience check_patience{std::chrono::milliseconds(500), probe_requests, 2};

static bool varies(const Behaviour& behaviour) {
  return behaviour.mapping == Dependence::address_dependent ||
         behaviour.mapping == Dependence::address_and_port_dependent;
}

/// The port that a symmetric NAT gives is another one for each server, and after each rest.
static bool is_same(const Behaviour& a, const Behaviour& b) {
  if (a.type != b.type || a.mapping != b.mapping || a.filtering != b.filtering) return false;
  if (!a.mapped || !b.mapped || !varies(a)) return a.mapped == b.mapped;
  return a.mapped->ip == b.mapped->ip;
}

static Duration pause_after(const Behaviour& found, Duration of_mapping) {
  if (!found.mapped) return silence_pause;
  return found.is_translated() ? of_mapping : untranslated_check_interval;
}

NatWatch::NatWatch(NatWatchConfig config, const mrt::Random::Seed& seed)
    : random_(seed), client_(random_.fork()) {
  // What is bound to loopback comes last: it gets to nobody but servers on this host.
  std::stable_partition(config.sockets.begin(), config.sockets.end(),
                        [](const Address& one) { return !one.is_loopback(); });
  for (const bool v4 : {true, false}) {
    const auto of_family = [v4](const Address& one) { return one.is_v4() == v4; };
    const auto socket = std::find_if(config.sockets.begin(), config.sockets.end(), of_family);
    const auto second = std::find_if(config.seconds.begin(), config.seconds.end(), of_family);
    if (socket != config.sockets.end() && second != config.seconds.end())
      sides_.push_back({*socket, *second});
  }
}

// -- Commands --

void NatWatch::add_servers(Instant now, const std::vector<Address>& servers) {
  for (const Address& server : servers) {
    const bool known = std::find(servers_.begin(), servers_.end(), server) != servers_.end();
    if (known || !server.is_unicast() || servers_.size() >= probe_servers_max) continue;
    servers_.push_back(server);
    for (Side& side : sides_)
      if (is_askable(side, server)) side.doubtful = true;
  }
  for (Side& side : sides_) {
    if (!side.doubtful) continue;
    // Names become known one by one: what has told nothing yet begins again with all of them.
    side.told ? doubt(now, side) : begin_probe(now, side);
  }
  go_on(now);
}

void NatWatch::look_again(Instant now) {
  for (Side& side : sides_) {
    side.pause = mapping_check_interval;  // it may be another NAT
    doubt(now, side);
  }
}

void NatWatch::on_seen(Instant now, const Address& seen) {
  for (Side& side : sides_) {
    if (side.socket.is_v4() != seen.is_v4() || side.probe || side.check || !side.found) continue;
    const auto& mapped = side.found->mapped;
    if (!mapped) {
      doubt(now, side);
    } else if (mapped->ip != seen.ip ||
               (side.found->mapping == Dependence::endpoint_independent && *mapped != seen)) {
      side.next = std::min(side.next, std::max(now, side.checked + probe_pause));
    }
  }
}

// -- Inputs --

void NatWatch::on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                            mrt::MutableBytes bytes) {
  for (Side& side : sides_) {
    if (side.probe && side.socket.is_v4() == path.remote.is_v4())
      side.probe->on_datagrams(now, path, ecn, segment_size, bytes);
  }
  client_.on_datagrams(now, path, ecn, segment_size, bytes);
  go_on(now);
}

void NatWatch::on_timeout(Instant now) {
  for (Side& side : sides_) {
    if (side.probe) side.probe->on_timeout(now);
  }
  client_.on_timeout(now);
  go_on(now);
  for (Side& side : sides_) {
    if (side.next > now) continue;
    const bool anew = side.doubtful || !side.found || !side.found->mapped;
    anew ? begin_probe(now, side) : begin_check(now, side);
  }
  go_on(now);
}

// -- Outputs --

std::optional<mrt::Transmit> NatWatch::poll_transmit(Instant now, mrt::MutableBytes buffer) {
  for (Side& side : sides_) {
    if (!side.probe) continue;
    if (const auto out = side.probe->poll_transmit(now, buffer)) return out;
  }
  return client_.poll_transmit(now, buffer);
}

std::optional<NatFound> NatWatch::poll_event() {
  if (events_.empty()) return std::nullopt;
  const NatFound out = events_.front();
  events_.pop_front();
  return out;
}

Instant NatWatch::next_timeout() const {
  Instant next = client_.next_timeout();
  for (const Side& side : sides_) {
    next = std::min(next, side.next);
    if (side.probe) next = std::min(next, side.probe->next_timeout());
  }
  return next;
}

std::vector<Address> NatWatch::callable() const {
  std::vector<Address> out;
  for (const Side& side : sides_) {
    if (!side.found || !side.found->mapped || !side.found->is_translated()) continue;
    const Dependence mapping = side.found->mapping;
    const bool same_for_all =
        mapping == Dependence::endpoint_independent || mapping == Dependence::unknown;
    if (same_for_all && !side.found->mapped->is_loopback()) out.push_back(*side.found->mapped);
  }
  return out;
}

std::optional<bool> NatWatch::symmetric() const {
  const auto any = [this](auto holds) { return std::any_of(sides_.begin(), sides_.end(), holds); };
  if (any([](const Side& side) { return side.found && varies(*side.found); })) return true;
  if (any([](const Side& side) { return side.found && side.found->mapped; })) return false;
  if (any([](const Side& side) { return side.probe.has_value(); })) return std::nullopt;
  return false;
}

Duration NatWatch::pace() const {
  Duration out = mapping_check_interval;
  for (const Side& side : sides_) out = std::min(out, side.pause);
  return out;
}

// -- Looking, and what came of it --

bool NatWatch::is_askable(const Side& side, const Address& server) const {
  return server.is_v4() == side.socket.is_v4() &&
         (!side.socket.is_loopback() || server.is_loopback());
}

void NatWatch::begin_probe(Instant now, Side& side) {
  if (side.check) client_.cancel(*side.check);
  side.check.reset();
  side.next = mrt::never;
  side.doubtful = false;
  side.probed = now;
  side.saw.reset();
  std::vector<Address> asked;
  std::copy_if(servers_.begin(), servers_.end(), std::back_inserter(asked),
               [&](const Address& server) { return is_askable(side, server); });
  if (!asked.empty())
    side.probe.emplace(now, ProbeConfig{side.socket, side.second, asked}, random_.fork());
}

/// RFC 5780 section 4.3, test I once more. Silence may be the server's: then all are asked anew.
void NatWatch::begin_check(Instant now, Side& side) {
  side.next = mrt::never;
  side.checked = now;
  side.check = client_.ask(now, {{side.socket, *side.saw}, *side.saw, {}, check_patience});
  if (!side.check) doubt(now, side);
}

void NatWatch::doubt(Instant now, Side& side) {
  side.doubtful = true;
  if (!side.probe) side.next = std::max(now, side.probed + probe_pause);
}

void NatWatch::go_on(Instant now) {
  for (Side& side : sides_) {
    std::optional<Behaviour> concluded;
    while (const auto event = side.probe ? side.probe->poll_event() : std::nullopt) {
      const auto* at = std::get_if<AddressFound>(&*event);
      if (at != nullptr && !side.saw) side.saw = at->server;
      if (const auto* end = std::get_if<Concluded>(&*event)) concluded = end->behaviour;
    }
    if (concluded) conclude(now, side, *concluded);
  }
  while (const auto event = client_.poll_event()) {
    const QueryId query = std::visit([](const auto& one) { return one.query; }, *event);
    for (Side& side : sides_)
      if (side.check == query) on_check(now, side, *event);
  }
}

void NatWatch::on_check(Instant now, Side& side, const ClientEvent& event) {
  side.check.reset();
  const auto* answered = std::get_if<Answered>(&event);
  const bool same = answered && side.found->mapped == answered->mapped &&
                    side.found->local == answered->path.local;
  // Where host and gateway have the addresses that they had.
  const bool forgotten = answered && !same && side.found->is_translated() &&
                         side.found->local == answered->path.local &&
                         side.found->mapped->ip == answered->mapped.ip;
  if (forgotten) side.pause = std::max(side.pause / 2, mapping_check_min);
  if (!same || side.doubtful) return doubt(now, side);
  side.next = now + pause_after(*side.found, side.pause);
}

void NatWatch::conclude(Instant now, Side& side, const Behaviour& behaviour) {
  side.probe.reset();
  side.found = behaviour;
  side.next = now + pause_after(behaviour, side.pause);
  if (side.doubtful) doubt(now, side);
  tell();
}

bool NatWatch::is_news(const Side& side) const {
  if (!side.found || (side.told && is_same(*side.told, *side.found))) return false;
  if (side.found->mapped || (side.told && side.told->mapped)) return true;
  return std::none_of(sides_.begin(), sides_.end(), [&side](const Side& other) {
    const bool speaks = other.probe || other.told || (other.found && other.found->mapped);
    return &other != &side && speaks;
  });
}

void NatWatch::tell() {
  for (Side& side : sides_) {
    if (!is_news(side)) continue;
    side.told = side.found;
    if (events_.size() >= events_max) events_.pop_front();
    events_.push_back({*side.found});
  }
}

bool NatWatch::is_consistent() const {
  const bool sound = std::all_of(sides_.begin(), sides_.end(), [](const Side& side) {
    // What was found is never left alone.
    const bool watched = side.probe || side.check || side.next != mrt::never;
    return (!side.found || watched) && (!side.probe || side.probe->is_consistent());
  });
  return sound && servers_.size() <= probe_servers_max && events_.size() <= events_max &&
         client_.is_consistent();
}

}  // namespace stun
