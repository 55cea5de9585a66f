// SPDX-License-Identifier: MIT
#include "stun/rendezvous_server.h"

#include <sodium/crypto_generichash_blake2b.h>
#include <sodium/utils.h>

#include <algorithm>

#include "mrt/base/check.h"
#include "stun/rendezvous_candidates.h"

namespace stun {

namespace {

// A cookie is good in the slot in which it was made and in the next.
constexpr mrt::Duration cookie_slot = cookie_life_max / 2;

uint64_t slot_at(mrt::Instant now) {
  return static_cast<uint64_t>(now.time_since_epoch() / cookie_slot);
}

/// Of a supernode's addresses those that lead one who asks from there to it.
Whereabouts seen_from(const mrt::Path& looker, Whereabouts where) {
  const bool near = looker.is_on_one_host();
  if (where.seen && !is_plausible(*where.seen, near)) where.seen.reset();
  drop_implausible(where.told, near);
  return where;
}

}  // namespace

RendezvousServer::RendezvousServer(const mrt::Random::Seed& seed)
    : cookie_key_(mrt::Random(seed).array<32>()) {}

void RendezvousServer::on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn,
                                    size_t segment_size, mrt::MutableBytes bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), std::max<size_t>(segment_size, 1));
    on_datagram(now, path, bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

void RendezvousServer::on_datagram(mrt::Instant now, const mrt::Path& path,
                                   mrt::ByteView datagram) {
  auto message = parse_rendezvous(datagram);
  if (!message) {
    ++stats_.malformed;
  } else if (const auto* find = std::get_if<Find>(&*message)) {
    on_find(now, path, *find);
  } else if (auto* registration = std::get_if<Registration>(&*message)) {
    on_registration(now, path, std::move(*registration));
  } else if (const auto* keep = std::get_if<Keep>(&*message)) {
    on_keep(now, path, *keep);
  } else {
    ++stats_.malformed;  // what only a server says
  }
}

RendezvousCookie RendezvousServer::cookie_of(uint64_t slot, const mrt::Address& address) const {
  mrt::Builder in;
  in.u64(slot);
  in.bytes(address.ip);
  in.u16(address.port);
  const mrt::Bytes bytes = in.take();
  RendezvousCookie cookie;
  CHECK(crypto_generichash_blake2b(cookie.data(), cookie.size(), bytes.data(), bytes.size(),
                                   cookie_key_.data(), cookie_key_.size()) == 0);
  return cookie;
}

bool RendezvousServer::check_cookie(mrt::Instant now, const mrt::Path& path, uint64_t transaction,
                                    const std::optional<RendezvousCookie>& shown) {
  const uint64_t slot = slot_at(now);
  for (const uint64_t good : {slot, slot - 1}) {
    if (!shown) break;
    const RendezvousCookie cookie = cookie_of(good, path.remote);
    if (sodium_memcmp(cookie.data(), shown->data(), cookie.size()) == 0) return true;
  }
  ++stats_.cookies;
  send(path, CookieGiven{transaction, cookie_of(slot, path.remote)});
  return false;
}

void RendezvousServer::on_find(mrt::Instant now, const mrt::Path& path, const Find& find) {
  if (!check_cookie(now, path, find.transaction, find.cookie)) return;
  if (!callers_.may_look_up(now, path.remote)) {
    return refuse(path, find.transaction, RefusalCode::crowded);
  }
  ++stats_.look_ups;
  Found found{find.transaction, path.remote, {}};
  for (RendezvousTable::Entry* const supernode : table_.find(now, find.id)) {
    found.supernodes.push_back(seen_from(path, supernode->where));
    if (!find.introduce) continue;
    introduce(now, find.id, *supernode,
              {supernode->transaction, path.remote, find.told, find.symmetric},
              path.is_on_one_host());
  }
  send(path, found);
}

void RendezvousServer::introduce(mrt::Instant now, const LookUpId& id,
                                 RendezvousTable::Entry& supernode, Introduction introduction,
                                 bool near) {
  near = near && supernode.path.is_on_one_host();
  if (!is_plausible(introduction.seen, near) || supernode.introductions.is_spent(now)) return;
  supernode.introductions.spend(now);
  stats_.implausible += drop_implausible(introduction.told, near);
  ++stats_.introductions;
  // Its NAT is open for the server that it registered at and no other.
  if (!supernode.foreign) return send(supernode.path, introduction);
  sharing_->introduce(supernode.shared->home, {id, supernode.where.node, std::move(introduction)});
}

void RendezvousServer::on_far_introduction(mrt::Instant now, const FarIntroduction& far,
                                           bool near) {
  for (const bool is_v4 : {true, false}) {
    RendezvousTable::Entry* const known = table_.entry_of(far.id, far.node, is_v4);
    const bool here = known != nullptr && !known->foreign && known->lives(now) &&
                      known->transaction == far.introduction.transaction;
    if (here) return introduce(now, far.id, *known, far.introduction, near);
  }
}

void RendezvousServer::on_registration(mrt::Instant now, const mrt::Path& path,
                                       Registration registration) {
  const uint64_t transaction = registration.transaction;
  const NodeTag node = registration.node;
  // The signature covers the cookie: a copy is good from nowhere else, and not for long.
  if (!check_cookie(now, path, transaction, registration.cookie)) return;
  if (!callers_.may_sign(now, path.remote)) {
    return refuse(path, transaction, RefusalCode::crowded);
  }
  if (!is_signed_by_its_network(registration)) {
    ++stats_.forged;
    return refuse(path, transaction, RefusalCode::forged);
  }
  auto shared = sharing_ ? sharing_->shared_of(registration) : nullptr;
  stats_.implausible += drop_implausible(registration.told, path.is_on_one_host());
  auto entry = RendezvousTable::entry_from(std::move(registration), path);
  const mrt::Duration life = entry.life;
  entry.shared = std::move(shared);
  switch (table_.put(now, registration.id, std::move(entry))) {
    case RendezvousTable::Outcome::taken:
      break;
    case RendezvousTable::Outcome::stale:
      return;  // a late copy: who sent it has long said something else
    case RendezvousTable::Outcome::full:
      return refuse(path, transaction, RefusalCode::full);
    case RendezvousTable::Outcome::crowded:
      return refuse(path, transaction, RefusalCode::crowded);
  }
  ++stats_.registrations;
  if (sharing_) {
    const bool is_v4 = path.remote.is_v4();
    sharing_->note(now, registration.id, *table_.entry_of(registration.id, node, is_v4), true);
  }
  sweep_later(now);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(life).count();
  send(path,
       Registered{transaction, registration.sequence, static_cast<uint16_t>(seconds), path.remote});
}

void RendezvousServer::on_keep(mrt::Instant now, const mrt::Path& path, const Keep& keep) {
  RendezvousTable::Entry* const entry = table_.keep(now, keep, path);
  if (entry == nullptr) return refuse(path, keep.transaction, RefusalCode::unknown);
  ++stats_.keeps;
  if (sharing_) sharing_->note(now, keep.id, *entry, keep.leave);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(entry->life).count();
  send(path,
       Registered{keep.transaction, entry->sequence, static_cast<uint16_t>(seconds), path.remote});
}

void RendezvousServer::on_record(mrt::Instant now, RendezvousRecord record, bool near) {
  // What was told here comes back.
  if (record.home == sharing_->own()) return;
  Registration& registration = record.registration;
  const bool known = knows(record);
  if (record.life_ms == 0) {
    RendezvousTable::Entry* const entry =
        table_.entry_of(registration.id, registration.node, record.seen.is_v4());
    if (!known || !entry->foreign) return;
    entry->taken_back = true;
    entry->ends_at = now + cookie_life_max;
    return;
  }
  if (!is_plausible(record.seen, near)) {
    ++stats_.implausible;
    return;
  }
  if (!known && !is_signed_by_its_network(registration)) {
    ++stats_.forged;
    return;
  }
  auto shared = sharing_->shared_of(registration);
  shared->home = record.home;
  drop_implausible(registration.told, near && record.seen.is_loopback());
  const LookUpId id = registration.id;
  auto entry = RendezvousTable::entry_from(std::move(registration), {{}, record.seen});
  entry.foreign = true;
  entry.ends_at =
      now + std::min<mrt::Duration>(std::chrono::milliseconds(record.life_ms), entry.life);
  entry.shared = std::move(shared);
  if (table_.put(now, id, std::move(entry)) != RendezvousTable::Outcome::taken) return;
  ++stats_.records;
  sweep_later(now);
}

void RendezvousServer::sweep_later(mrt::Instant now) {
  if (sweep_at_ == mrt::never) sweep_at_ = now + RendezvousTable::sweep_interval;
}

void RendezvousServer::refuse(const mrt::Path& path, uint64_t transaction, RefusalCode code) {
  ++stats_.refused;
  send(path, Refusal{transaction, code});
}

void RendezvousServer::send(const mrt::Path& path, const RendezvousMessage& message) {
  if (outbox_.size() >= outbox_max) {
    ++stats_.overflown;
    return;
  }
  outbox_.emplace_back(path, write_rendezvous(message));
}

void RendezvousServer::on_timeout(mrt::Instant now) {
  if (now < sweep_at_) return;
  table_.sweep(now);
  sweep_at_ = table_.entries() == 0 ? mrt::never : now + RendezvousTable::sweep_interval;
  // Here alone, for it counts all entries.
  DCHECK(is_consistent());
}

std::optional<mrt::Transmit> RendezvousServer::poll_transmit(mrt::Instant,
                                                             mrt::MutableBytes buffer) {
  if (outbox_.empty() || buffer.size() < outbox_.front().second.size()) return std::nullopt;
  const auto [path, bytes] = std::move(outbox_.front());
  outbox_.pop_front();
  std::copy(bytes.begin(), bytes.end(), buffer.begin());
  return mrt::Transmit{path, bytes.size(), bytes.size(), mrt::Ecn::not_ect};
}

mrt::Instant RendezvousServer::next_timeout() const { return sweep_at_; }

bool RendezvousServer::is_consistent() const {
  return outbox_.size() <= outbox_max && callers_.is_consistent() && table_.is_consistent() &&
         (table_.entries() == 0 || sweep_at_ != mrt::never);
}

}  // namespace stun
