// SPDX-License-Identifier: MIT
#include "stun/rendezvous_table.h"

#include <algorithm>

namespace stun {

namespace {

using Entry = RendezvousTable::Entry;

/// An older word of the same start of a node: a copy that was late, or overtaken.
bool is_older(const Entry& said, const Entry& known) {
  if (said.transaction != known.transaction) return false;
  return said.sequence < known.sequence || (known.taken_back && said.sequence == known.sequence);
}

/// A supernode that is at several servers is foreign to the others under several transactions:
/// the first stands while it is kept.
bool gives_way(const Entry& known, const Entry& said, mrt::Instant now) {
  if (!said.foreign || !known.lives(now)) return true;
  if (known.ends_at - now < known.life / 2) return true;
  const bool same = said.transaction == known.transaction;
  if (!known.foreign) return same && said.sequence > known.sequence;
  return same || said.shared->home == known.shared->home;
}

}  // namespace

void RendezvousTable::count(const Entry& entry) {
  ++entries_;
  entry.foreign ? ++foreign_ : ++per_place_[place_of(entry.path.remote)];
}

void RendezvousTable::discount(const Entry& entry) {
  --entries_;
  if (entry.foreign) {
    --foreign_;
    return;
  }
  const auto it = per_place_.find(place_of(entry.path.remote));
  if (--it->second == 0) per_place_.erase(it);
}

bool RendezvousTable::has_room_for(const Entry& entry) const {
  // Its address was counted where it was taken.
  if (entry.foreign) return foreign_ < foreign_max;
  const auto it = per_place_.find(place_of(entry.path.remote));
  return it == per_place_.end() || it->second < entries_per_place_max;
}

Entry RendezvousTable::entry_from(Registration registration, const mrt::Path& path) {
  Entry out;
  out.where = {registration.node, registration.epoch, path.remote, std::move(registration.told),
               registration.symmetric};
  out.transaction = registration.transaction;
  out.sequence = registration.sequence;
  out.path = path;
  const mrt::Duration asked = std::chrono::seconds(registration.life_seconds);
  out.life = std::min(asked, registration_life_max);
  return out;
}

RendezvousTable::Outcome RendezvousTable::put(mrt::Instant now, const LookUpId& id, Entry entry) {
  if (!entry.foreign) entry.ends_at = now + entry.life;
  const auto network = networks_.find(id);
  if (network != networks_.end()) {
    for (Entry& known : network->second) {
      const bool same = known.where.node == entry.where.node &&
                        known.path.remote.is_v4() == entry.path.remote.is_v4();
      if (same) return replace(now, known, std::move(entry));
    }
  }
  if (network != networks_.end()) return add(now, network->second, std::move(entry));
  Entries entries;
  const Outcome outcome = add(now, entries, std::move(entry));
  if (outcome == Outcome::taken) networks_.emplace(id, std::move(entries));
  return outcome;
}

RendezvousTable::Outcome RendezvousTable::replace(mrt::Instant now, Entry& known, Entry entry) {
  if (now < known.ends_at && is_older(entry, known)) return Outcome::stale;
  if (!gives_way(known, entry, now)) return Outcome::stale;
  const bool stays = known.foreign == entry.foreign &&
                     (entry.foreign || place_of(known.path.remote) == place_of(entry.path.remote));
  if (!stays && !has_room_for(entry)) return Outcome::crowded;
  discount(known);
  count(entry);
  entry.introductions = known.introductions;
  known = std::move(entry);
  return Outcome::taken;
}

RendezvousTable::Outcome RendezvousTable::add(mrt::Instant now, Entries& entries, Entry entry) {
  if (!has_room_for(entry)) return Outcome::crowded;
  if (entries.size() >= supernodes_max) {
    // One whose life has ended goes first, then one that a migration left behind.
    const auto least = std::min_element(entries.begin(), entries.end(),
                                        [now](const Entry& one, const Entry& other) {
                                          return std::pair(one.lives(now), one.where.epoch) <
                                                 std::pair(other.lives(now), other.where.epoch);
                                        });
    if (least->lives(now) && least->where.epoch >= entry.where.epoch) return Outcome::crowded;
    discount(*least);
    entries.erase(least);
  } else if (entries_ >= entries_max) {
    return Outcome::full;
  }
  count(entry);
  entries.push_back(std::move(entry));
  return Outcome::taken;
}

Entry* RendezvousTable::entry_of(const LookUpId& id, const NodeTag& node, bool is_v4) {
  const auto network = networks_.find(id);
  if (network == networks_.end()) return nullptr;
  for (Entry& entry : network->second) {
    if (entry.where.node == node && entry.path.remote.is_v4() == is_v4) return &entry;
  }
  return nullptr;
}

Entry* RendezvousTable::keep(mrt::Instant now, const Keep& keep, const mrt::Path& path) {
  Entry* const entry = entry_of(keep.id, keep.node, path.remote.is_v4());
  if (entry == nullptr || entry->transaction != keep.transaction) return nullptr;
  // What the store says is no proof that anybody is at that address.
  if (entry->foreign || entry->path != path || !entry->lives(now)) return nullptr;
  if (keep.leave) {
    // Until no late copy of it can come any more.
    entry->taken_back = true;
    entry->life = {};
  }
  entry->ends_at = now + (keep.leave ? cookie_life_max : entry->life);
  return entry;
}

std::vector<Entry*> RendezvousTable::find(mrt::Instant now, const LookUpId& id) {
  std::vector<Entry*> out;
  const auto network = networks_.find(id);
  if (network == networks_.end()) return out;
  for (Entry& entry : network->second) {
    if (entry.lives(now)) out.push_back(&entry);
  }
  std::sort(out.begin(), out.end(), [](const Entry* one, const Entry* other) {
    return std::pair(other->where.epoch, other->where.node) <
           std::pair(one->where.epoch, one->where.node);
  });
  return out;
}

void RendezvousTable::sweep(mrt::Instant now) {
  auto network = networks_.lower_bound(sweep_from_);
  // As many in each sweep of a round, though there are less and less.
  if (sweep_from_ == LookUpId{}) sweep_size_ = networks_.size() / sweeps_for_all + 1;
  for (size_t left = sweep_size_; left > 0 && network != networks_.end(); --left) {
    std::erase_if(network->second, [&](const Entry& entry) {
      if (now < entry.ends_at) return false;
      discount(entry);
      return true;
    });
    network = network->second.empty() ? networks_.erase(network) : std::next(network);
  }
  sweep_from_ = network == networks_.end() ? LookUpId{} : network->first;
}

bool RendezvousTable::is_consistent() const {
  size_t entries = 0, foreign = 0;
  std::map<Place, size_t> per_place;
  for (const auto& [id, known] : networks_) {
    if (known.empty() || known.size() > supernodes_max) return false;
    for (const Entry& entry : known) {
      entry.foreign ? ++foreign : ++per_place[place_of(entry.path.remote)];
    }
    entries += known.size();
  }
  return entries == entries_ && entries <= entries_max && foreign == foreign_ &&
         foreign <= foreign_max && per_place == per_place_;
}

}  // namespace stun
