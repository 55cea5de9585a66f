// SPDX-License-Identifier: MIT
#include "stun/rendezvous_client.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "stun/rendezvous_candidates.h"

namespace stun {

using mrt::Address;
using mrt::Instant;
using namespace std::chrono_literals;

namespace {

// Beyond most round trips; doubled, since a server that does not answer may be one that cannot.
constexpr mrt::Duration repeat_first = 250ms;
// Somebody waits for a look-up.
constexpr mrt::Duration look_up_repeat_max = 2s;
// Each question introduces this node anew: a NAT that was opened for it stays open far longer,
// but an introduction may be lost.
constexpr mrt::Duration look_up_repeat_answered = 1s;
// Nobody waits for a registration; a server that was down is found again within a minute.
constexpr mrt::Duration register_repeat_max = 60s;
// A Keep is told three times, seven seconds in all, before the server counts as gone.
constexpr mrt::Duration keep_repeat_first = 1s;
constexpr int keeps_in_vain_max = 3;
// Then it is asked to register after eight seconds and so on.
constexpr int register_sent_after_silence = 5;
// Who leaves has a second for it.
constexpr int leaves_max = 3;
// Several servers introduce the same peer at once.
constexpr mrt::Duration introduced_again = 900ms;

mrt::Duration doubled(mrt::Duration first, int times, mrt::Duration most) {
  return times >= 10 ? most : std::min(first * (int64_t{1} << times), most);
}

}  // namespace

RendezvousClient::RendezvousClient(RendezvousClientConfig config, const mrt::Random::Seed& seed)
    : config_(std::move(config)), random_(seed) {
  add_servers({}, config_.servers);
}

void RendezvousClient::add_servers(Instant now, const std::vector<Address>& servers) {
  for (const Address& address : servers) {
    const bool again = std::any_of(servers_.begin(), servers_.end(),
                                   [&](const Server& one) { return one.address == address; });
    if (again || servers_.size() >= servers_max) continue;
    Server& server = servers_.emplace_back();
    server.address = address;
    if (looking_) begin_look_up(now, server);
    if (epoch_) begin_registering(now, server);
  }
}

void RendezvousClient::set_key(Instant now, const RendezvousKey& key) {
  if (key_ && key_->id() == key.id()) return;
  for (Server& server : servers_) {
    const bool known = server.standing == Standing::registered;
    if (known) send(server, Keep{server.transaction, key_->id(), config_.node, true});
  }
  key_ = key;
  candidates_.clear();
  seen_.clear();
  for (Server& server : servers_) {
    begin_look_up(now, server);
    if (epoch_) begin_registering(now, server);
  }
}

void RendezvousClient::begin_look_up(Instant now, Server& server) {
  server.look_up_transaction = random_.u64();
  server.answered = false;
  server.found.clear();
  server.look_up = {looking_ && key_ ? now : mrt::never};
}

void RendezvousClient::begin_registering(Instant now, Server& server) {
  server.transaction = random_.u64();
  register_anew(now, server);
}

void RendezvousClient::register_anew(Instant at, Server& server) {
  server.standing = Standing::asking;
  ++server.sequence;
  server.standing_repeat = {key_ ? at : mrt::never};
}

void RendezvousClient::look_up(Instant now, const Told& told) {
  // What decides how the other side goes on is said at once.
  const bool is_news = looking_ && key_ && told.symmetric != looking_told_.symmetric;
  looking_told_ = told;
  for (Server& server : servers_) {
    if (is_news && server.answered) server.look_up.at = now;
  }
  if (looking_) return;
  looking_ = true;
  candidates_.clear();
  seen_.clear();
  for (Server& server : servers_) begin_look_up(now, server);
}

void RendezvousClient::stop_looking() {
  looking_ = false;
  for (Server& server : servers_) server.look_up.at = mrt::never;
}

void RendezvousClient::enrol(Instant now, uint64_t epoch, const Told& told) {
  if (epoch_ == epoch && enrolled_ == told) return;
  epoch_ = epoch;
  enrolled_ = told;
  for (Server& server : servers_) {
    const bool known = server.standing != Standing::none && server.standing != Standing::leaving;
    known ? register_anew(now, server) : begin_registering(now, server);
  }
}

void RendezvousClient::leave(Instant now) {
  if (!epoch_) return;
  epoch_.reset();
  for (Server& server : servers_) {
    server.standing = Standing::leaving;
    server.standing_repeat = {};
    server.registered_told = false;
    // At once: whoever quits is not called again.
    if (key_) speak(now, server);
  }
}

void RendezvousClient::on_timeout(Instant now) {
  for (Server& server : servers_) {
    if (server.look_up.at <= now) {
      server.look_up.may_hurry = true;
      ask(now, server);
    }
    if (server.standing_repeat.at <= now) {
      server.standing_repeat.may_hurry = true;
      speak(now, server);
    }
  }
  DCHECK(is_consistent());
}

void RendezvousClient::ask(Instant now, Server& server) {
  Find find{server.look_up_transaction,
            true,
            server.cookie,
            key_->id(),
            looking_told_.addresses,
            looking_told_.symmetric};
  find.told.resize(std::min(find.told.size(), told_by_looker_max));
  send(server, find);
  const mrt::Duration pause = server.answered
                                  ? look_up_repeat_answered
                                  : doubled(repeat_first, server.look_up.sent, look_up_repeat_max);
  ++server.look_up.sent;
  server.look_up.at = now + pause;
}

void RendezvousClient::speak(Instant now, Server& server) {
  Repeat& repeat = server.standing_repeat;
  switch (server.standing) {
    case Standing::none:
      repeat.at = mrt::never;
      return;
    case Standing::asking:
      return register_at(now, server);
    case Standing::registered:
      return keep(now, server);
    case Standing::leaving:
      if (repeat.sent == leaves_max) {
        server.standing = Standing::none;
        repeat.at = mrt::never;
        return;
      }
      send(server, Keep{server.transaction, key_->id(), config_.node, true});
      repeat.at = now + doubled(repeat_first, repeat.sent++, look_up_repeat_max);
  }
}

void RendezvousClient::register_at(Instant now, Server& server) {
  Registration registration;
  registration.transaction = server.transaction;
  registration.cookie = server.cookie;
  registration.node = config_.node;
  registration.epoch = *epoch_;
  registration.sequence = server.sequence;
  // Three Keeps.
  registration.life_seconds =
      static_cast<uint16_t>(std::clamp<int64_t>(config_.keep_interval * 3 / 1s, 1, UINT16_MAX));
  registration.symmetric = enrolled_.symmetric;
  registration.told = enrolled_.addresses;
  registration.told.resize(std::min(registration.told.size(), told_max));
  key_->sign(registration);
  send(server, registration);
  Repeat& repeat = server.standing_repeat;
  repeat.at = now + doubled(repeat_first, repeat.sent, register_repeat_max);
  ++repeat.sent;
}

void RendezvousClient::keep(Instant now, Server& server) {
  Repeat& repeat = server.standing_repeat;
  if (repeat.sent == keeps_in_vain_max) {
    tell_registered(server, false);
    server.standing = Standing::asking;
    repeat.sent = register_sent_after_silence;
    return register_at(now, server);
  }
  send(server, Keep{server.transaction, key_->id(), config_.node, false});
  repeat.at = now + doubled(keep_repeat_first, repeat.sent, register_repeat_max);
  ++repeat.sent;
}

void RendezvousClient::on_datagrams(Instant now, const mrt::Path& path, mrt::Ecn,
                                    size_t segment_size, mrt::MutableBytes bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), std::max<size_t>(segment_size, 1));
    on_datagram(now, path, bytes.first(size));
    bytes = bytes.subspan(size);
  }
  DCHECK(is_consistent());
}

void RendezvousClient::on_datagram(Instant now, const mrt::Path& path, mrt::ByteView datagram) {
  const auto server = std::find_if(servers_.begin(), servers_.end(),
                                   [&](const Server& one) { return one.address == path.remote; });
  if (server == servers_.end()) {
    ++stats_.strangers;
    return;
  }
  auto said = parse_rendezvous(datagram);
  if (!said) {
    ++stats_.malformed;
    return;
  }
  on_answer(now, path, *server, *said);
}

void RendezvousClient::on_answer(Instant now, const mrt::Path& path, Server& server,
                                 RendezvousMessage& said) {
  bool asked = false;
  if (const auto* given = std::get_if<CookieGiven>(&said)) {
    asked = on_cookie(now, server, *given);
  } else if (auto* found = std::get_if<Found>(&said)) {
    asked = on_found(now, path, server, *found);
  } else if (const auto* registered = std::get_if<Registered>(&said)) {
    asked = on_registered(now, path, server, *registered);
  } else if (const auto* refusal = std::get_if<Refusal>(&said)) {
    asked = on_refusal(now, server, *refusal);
  } else if (const auto* introduction = std::get_if<Introduction>(&said)) {
    asked = on_introduction(now, path, server, *introduction);
  }
  ++(asked ? stats_.answers : stats_.unasked);
}

bool RendezvousClient::on_cookie(Instant now, Server& server, const CookieGiven& given) {
  const bool of_look_up = looking_ && given.transaction == server.look_up_transaction;
  const bool of_standing =
      server.standing == Standing::asking && given.transaction == server.transaction;
  if (!of_look_up && !of_standing) return false;
  server.cookie = given.cookie;
  Repeat& repeat = of_look_up ? server.look_up : server.standing_repeat;
  if (!std::exchange(repeat.may_hurry, false)) return true;
  // It lives: what is lost from now on is lost on the way.
  repeat.sent = std::min(repeat.sent, 1);
  of_look_up ? ask(now, server) : speak(now, server);
  return true;
}

bool RendezvousClient::on_found(Instant now, const mrt::Path& path, Server& server, Found& found) {
  if (!looking_ || found.transaction != server.look_up_transaction) return false;
  server.answered = true;
  server.look_up.at = now + look_up_repeat_answered;
  note_seen(path, server, found.seen);
  const bool near = path.is_on_one_host();
  std::erase_if(found.supernodes, [&](const Whereabouts& one) { return one.node == config_.node; });
  for (Whereabouts& one : found.supernodes) {
    stats_.implausible += drop_implausible(one.told, near);
    if (!one.seen || is_plausible(*one.seen, near)) continue;
    one.seen.reset();
    ++stats_.implausible;
  }
  server.found = std::move(found.supernodes);
  join_answers();
  return true;
}

bool RendezvousClient::on_registered(Instant now, const mrt::Path& path, Server& server,
                                     const Registered& registered) {
  const bool waits = server.standing != Standing::none;
  if (!waits || registered.transaction != server.transaction) return false;
  if (server.standing == Standing::leaving) {
    if (registered.life_seconds != 0) return true;  // of an earlier Keep
    server.standing = Standing::none;
    server.standing_repeat.at = mrt::never;
    return true;
  }
  note_seen(path, server, registered.seen);
  if (registered.life_seconds == 0) {
    // Taken back in this node's name by somebody else. A second later, so that no server's lies
    // make this one hurry.
    if (server.standing == Standing::registered) register_anew(now + keep_repeat_first, server);
    return true;
  }
  // An older word of ours: what has changed since is being said.
  if (registered.sequence != server.sequence) return true;
  server.standing = Standing::registered;
  server.standing_repeat = {now + config_.keep_interval};
  tell_registered(server, true);
  return true;
}

bool RendezvousClient::on_refusal(Instant now, Server& server, const Refusal& refusal) {
  if (looking_ && refusal.transaction == server.look_up_transaction) {
    server.look_up.at = now + look_up_repeat_max;
  } else if (server.standing == Standing::none || refusal.transaction != server.transaction) {
    return false;
  } else if (server.standing == Standing::leaving) {
    server.standing = Standing::none;
    server.standing_repeat.at = mrt::never;
  } else if (server.standing == Standing::registered) {
    if (server.standing_repeat.sent == 0) return false;  // to no Keep of ours
    // It was restarted, or this node's NAT was, or somebody took it back in this node's name.
    register_anew(now, server);
  }
  // Any other: it is asked again when it is due.
  ++stats_.refusals;
  return true;
}

bool RendezvousClient::on_introduction(Instant now, const mrt::Path& path, Server& server,
                                       const Introduction& introduction) {
  const bool here = server.standing == Standing::asking || server.standing == Standing::registered;
  if (!here || introduction.transaction != server.transaction) return false;
  std::vector<Address> addresses{introduction.seen};
  addresses.insert(addresses.end(), introduction.told.begin(), introduction.told.end());
  stats_.implausible += drop_implausible(addresses, path.is_on_one_host());
  std::erase_if(introduced_,
                [now](const auto& one) { return one.second + introduced_again <= now; });
  PeerIntroduced peer;
  for (const Address& address : addresses) {
    const std::pair said{address, introduction.symmetric};
    if (is_own(server, address) || introduced_.contains(said)) continue;
    if (introductions_.is_spent(now)) break;
    introductions_.spend(now);
    introduced_.emplace(said, now);
    peer.addresses.push_back(address);
    if (address == introduction.seen) peer.seen = SeenHost{address, introduction.symmetric};
  }
  if (!peer.addresses.empty()) tell(std::move(peer));
  return true;
}

void RendezvousClient::note_seen(const mrt::Path& path, Server& server, const Address& seen) {
  if (!is_plausible(seen, path.is_on_one_host())) {
    ++stats_.implausible;
  } else if (server.seen != seen) {
    server.seen = seen;
    tell(SeenAt{server.address, seen});
  }
}

void RendezvousClient::tell_registered(Server& server, bool registered) {
  if (std::exchange(server.registered_told, registered) == registered) return;
  tell(RegistrationChanged{server.address, registered});
}

/// One address of each server in turn, so that each has its share.
void RendezvousClient::join_answers() {
  const size_t share = candidates_max / servers_.size();
  std::vector<std::vector<Address>> lists;
  std::vector<SeenHost> seen;
  for (const Server& server : servers_) {
    auto& list = lists.emplace_back();
    for (const Whereabouts& one : server.found) {
      if (one.seen) list.push_back(*one.seen);
      if (one.seen && !is_own(server, *one.seen)) seen.push_back({*one.seen, one.symmetric});
    }
    // Found in both families a supernode says the same twice.
    for (const Whereabouts& one : server.found) {
      for (const Address& address : one.told) {
        if (std::find(list.begin(), list.end(), address) == list.end()) list.push_back(address);
      }
    }
    std::erase_if(list, [&](const Address& address) { return is_own(server, address); });
    list.resize(std::min(list.size(), share));
  }
  std::vector<Address> out;
  for (size_t i = 0; i < share; ++i) {
    for (const auto& list : lists) {
      const bool more = i < list.size();
      if (more && std::find(out.begin(), out.end(), list[i]) == out.end()) out.push_back(list[i]);
    }
  }
  std::erase_if(seen, [&out](const SeenHost& one) {
    return std::find(out.begin(), out.end(), one.address) == out.end();
  });
  if (out.empty() || (out == candidates_ && seen == seen_)) return;
  candidates_ = out;
  seen_ = seen;
  tell(CandidatesFound{std::move(out), std::move(seen)});
}

/// By what `server` itself says: else one that lies hides what others tell.
bool RendezvousClient::is_own(const Server& server, const Address& address) const {
  const auto names = [&](const Told& told) {
    return std::find(told.addresses.begin(), told.addresses.end(), address) != told.addresses.end();
  };
  return server.seen == address || names(looking_told_) || names(enrolled_);
}

size_t RendezvousClient::answered() const {
  return static_cast<size_t>(std::count_if(servers_.begin(), servers_.end(),
                                           [](const Server& one) { return one.answered; }));
}

void RendezvousClient::send(const Server& server, const RendezvousMessage& message) {
  // A driver that has no room loses the oldest, which a network may do as well.
  if (outbox_.size() >= outbox_max) outbox_.pop_front();
  outbox_.emplace_back(server.address, write_rendezvous(message));
}

void RendezvousClient::tell(RendezvousEvent event) {
  if (events_.size() < events_max) events_.push_back(std::move(event));
}

std::optional<mrt::Transmit> RendezvousClient::poll_transmit(Instant, mrt::MutableBytes buffer) {
  if (outbox_.empty() || buffer.size() < outbox_.front().second.size()) return std::nullopt;
  const auto [address, bytes] = std::move(outbox_.front());
  outbox_.pop_front();
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  return mrt::Transmit{{{}, address}, bytes.size(), bytes.size(), mrt::Ecn::not_ect};
}

std::optional<RendezvousEvent> RendezvousClient::poll_event() {
  if (events_.empty()) return std::nullopt;
  auto event = std::move(events_.front());
  events_.pop_front();
  return event;
}

Instant RendezvousClient::next_timeout() const {
  Instant next = mrt::never;
  for (const Server& server : servers_) {
    next = std::min({next, server.look_up.at, server.standing_repeat.at});
  }
  return next;
}

bool RendezvousClient::is_consistent() const {
  const bool speechless = std::all_of(servers_.begin(), servers_.end(), [](const Server& one) {
    return one.look_up.at == mrt::never && one.standing_repeat.at == mrt::never;
  });
  return servers_.size() <= servers_max && candidates_.size() <= candidates_max &&
         events_.size() <= events_max && outbox_.size() <= outbox_max && (key_ || speechless);
}

}  // namespace stun
