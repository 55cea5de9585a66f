// SPDX-License-Identifier: MIT
#include "stun/rendezvous_table.h"

#include <algorithm>

namespace stun {

namespace {

using Entry = RendezvousTable::Entry;

bool lives(const Entry& entry, mrt::Instant now) {
  return !entry.taken_back && now < entry.ends_at;
}

/// An older word of the same start of a node: a copy that was late, or overtaken.
bool is_older(const Entry& said, const Entry& known) {
  if (said.transaction != known.transaction) return false;
  return said.sequence < known.sequence || (known.taken_back && said.sequence == known.sequence);
}

}  // namespace

void RendezvousTable::count(const mrt::Path& path) {
  ++per_place_[place_of(path.remote)];
  ++entries_;
}

void RendezvousTable::discount(const mrt::Path& path) {
  const auto it = per_place_.find(place_of(path.remote));
  if (--it->second == 0) per_place_.erase(it);
  --entries_;
}

bool RendezvousTable::has_room_at(const mrt::Path& path) const {
  const auto it = per_place_.find(place_of(path.remote));
  return it == per_place_.end() || it->second < entries_per_place_max;
}

RendezvousTable::Outcome RendezvousTable::put(mrt::Instant now, const LookUpId& id, Entry entry) {
  entry.ends_at = now + entry.life;
  const auto network = networks_.find(id);
  if (network != networks_.end()) {
    for (Entry& known : network->second) {
      if (known.where.node == entry.where.node) return replace(now, known, std::move(entry));
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
  const bool moves = place_of(known.path.remote) != place_of(entry.path.remote);
  if (moves && !has_room_at(entry.path)) return Outcome::crowded;
  discount(known.path);
  count(entry.path);
  entry.introductions = known.introductions;
  known = std::move(entry);
  return Outcome::taken;
}

RendezvousTable::Outcome RendezvousTable::add(mrt::Instant now, Entries& entries, Entry entry) {
  if (!has_room_at(entry.path)) return Outcome::crowded;
  if (entries.size() >= supernodes_max) {
    // One whose life has ended goes first, then one that a migration left behind.
    const auto least = std::min_element(entries.begin(), entries.end(),
                                        [now](const Entry& one, const Entry& other) {
                                          return std::pair(lives(one, now), one.where.epoch) <
                                                 std::pair(lives(other, now), other.where.epoch);
                                        });
    if (lives(*least, now) && least->where.epoch >= entry.where.epoch) return Outcome::crowded;
    discount(least->path);
    entries.erase(least);
  } else if (entries_ >= entries_max) {
    return Outcome::full;
  }
  count(entry.path);
  entries.push_back(std::move(entry));
  return Outcome::taken;
}

const Entry* RendezvousTable::keep(mrt::Instant now, const Keep& keep, const mrt::Path& path) {
  const auto network = networks_.find(keep.id);
  if (network == networks_.end()) return nullptr;
  for (Entry& entry : network->second) {
    const bool known = entry.where.node == keep.node && entry.transaction == keep.transaction &&
                       entry.path == path;
    if (!known || !lives(entry, now)) continue;
    if (keep.leave) {
      // Until no late copy of it can come any more.
      entry.taken_back = true;
      entry.life = {};
    }
    entry.ends_at = now + (keep.leave ? cookie_life_max : entry.life);
    return &entry;
  }
  return nullptr;
}

std::vector<Entry*> RendezvousTable::find(mrt::Instant now, const LookUpId& id) {
  std::vector<Entry*> out;
  const auto network = networks_.find(id);
  if (network == networks_.end()) return out;
  for (Entry& entry : network->second) {
    if (lives(entry, now)) out.push_back(&entry);
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
      discount(entry.path);
      return true;
    });
    network = network->second.empty() ? networks_.erase(network) : std::next(network);
  }
  sweep_from_ = network == networks_.end() ? LookUpId{} : network->first;
}

bool RendezvousTable::is_consistent() const {
  size_t entries = 0;
  std::map<Place, size_t> per_place;
  for (const auto& [id, known] : networks_) {
    if (known.empty() || known.size() > supernodes_max) return false;
    for (const Entry& entry : known) ++per_place[place_of(entry.path.remote)];
    entries += known.size();
  }
  return entries == entries_ && entries <= entries_max && per_place == per_place_;
}

}  // namespace stun
