// SPDX-License-Identifier: MIT
#include "node/roster.h"

#include <algorithm>

#include "node/file_name.h"

namespace node {

void Roster::put(const RosterEntry& entry) {
  RosterEntry& mine = entries_[entry.node];
  if (mine == entry) return;
  RosterEntry same_but_rtt = entry;
  same_but_rtt.rtt_us = mine.rtt_us;
  // A change of RTT alone is not worth a message to everyone.
  if (same_but_rtt != mine) touched_.insert(entry.node);
  mine = entry;
  removals_.erase(entry.node);
}

void Roster::remove(const NodeId& node, GoneReason reason) {
  if (entries_.erase(node) == 0) return;
  touched_.erase(node);
  removals_[node] = reason;
}

void Roster::rank(const NodeId& supernode, const std::vector<NodeId>& succession) {
  const auto set_rank = [this](const NodeId& node, uint32_t rank) {
    const auto it = entries_.find(node);
    if (it == entries_.end() || it->second.rank == rank) return;
    it->second.rank = rank;
    touched_.insert(node);
  };
  set_rank(supernode, 0);
  uint32_t next = 1;
  for (const NodeId& node : succession) {
    if (node != supernode) set_rank(node, next++);
  }
}

std::vector<RosterUpdate> Roster::take_changes(Epoch epoch, const NodeId& supernode) {
  std::vector<RosterUpdate> out;
  if (!has_changes()) return out;
  version_.value++;
  const auto part = [&]() -> RosterUpdate& {
    if (out.empty() || out.back().entries.size() + out.back().removals.size() >= roster_part_max) {
      out.push_back({epoch, supernode, version_, false, false, {}, {}});
    }
    return out.back();
  };
  for (const auto& [node, reason] : removals_) part().removals.push_back({node, reason});
  for (const NodeId& node : touched_) part().entries.push_back(entries_.at(node));
  out.back().last = true;
  removals_.clear();
  touched_.clear();
  return out;
}

std::vector<RosterUpdate> Roster::full(Epoch epoch, const NodeId& supernode) const {
  std::vector<RosterUpdate> out;
  for (const auto& [node, entry] : entries_) {
    if (out.empty() || out.back().entries.size() == roster_part_max) {
      out.push_back({epoch, supernode, version_, true, false, {}, {}});
    }
    out.back().entries.push_back(entry);
  }
  if (!out.empty()) out.back().last = true;
  return out;
}

std::string Roster::free_nick(const NodeId& node, std::string_view wanted) const {
  std::set<std::string_view> taken;
  for (const auto& [other, entry] : entries_) {
    if (other != node) taken.insert(entry.nick);
  }
  if (!taken.contains(wanted)) return std::string(wanted);
  for (size_t number = 2;; ++number) {
    const std::string suffix = '-' + std::to_string(number);
    std::string nick(wanted);
    // 32 characters at most, the suffix included: cut the name, at a character.
    while (!is_nick(nick + suffix) && !nick.empty()) nick.pop_back();
    nick += suffix;
    if (!taken.contains(nick)) return nick;
  }
}

bool Roster::would_lose(const RosterUpdate& update, const NodeId& node) const {
  const auto is_it = [&](const auto& one) { return one.node == node; };
  if (std::ranges::any_of(update.removals, is_it)) return true;
  return update.full && update.last && !in_full_.contains(node) &&
         std::ranges::none_of(update.entries, is_it);
}

Roster::Change Roster::apply(const RosterUpdate& update) {
  Change change;
  // What was edited here as a supernode is another star's news by now.
  touched_.clear();
  removals_.clear();
  if (!update.full && update.version <= version_) return change;
  const auto take_out = [&](const NodeId& node, GoneReason reason) {
    const auto it = entries_.find(node);
    if (it == entries_.end()) return;
    change.left.emplace_back(std::move(it->second), reason);
    entries_.erase(it);
  };
  for (const RosterRemoval& removal : update.removals) take_out(removal.node, removal.reason);
  for (const RosterEntry& entry : update.entries) {
    if (entries_.size() >= members_max && !entries_.contains(entry.node)) continue;
    if (update.full) in_full_.insert(entry.node);
    const auto [it, is_new] = entries_.try_emplace(entry.node, entry);
    if (!is_new && it->second.incarnation != entry.incarnation) {
      // Another life of the same node: the old one is gone with all that it offered.
      change.left.emplace_back(it->second, GoneReason::lost);
    }
    if (is_new || it->second.incarnation != entry.incarnation) change.joined.push_back(entry);
    const RosterEntry& known = it->second;
    if (known.nick != entry.nick || known.addresses != entry.addresses ||
        known.cut_off != entry.cut_off || known.symmetric != entry.symmetric) {
      change.changed = true;
    }
    it->second = entry;
  }
  if (update.full && update.last) {
    std::vector<NodeId> gone;
    for (const auto& [node, entry] : entries_) {
      if (!in_full_.contains(node)) gone.push_back(node);
    }
    for (const NodeId& node : gone) take_out(node, GoneReason::lost);
    in_full_.clear();
  }
  // Parts of one change share a version: it counts once the last has come.
  if (update.last) version_ = update.version;
  change.changed |= !change.joined.empty() || !change.left.empty();
  return change;
}

void Roster::clear() { *this = Roster(); }

const RosterEntry* Roster::find(const NodeId& node) const {
  const auto it = entries_.find(node);
  return it == entries_.end() ? nullptr : &it->second;
}

const RosterEntry* Roster::find(std::string_view who) const {
  const size_t tilde = who.rfind('~');
  const std::string_view nick = who.substr(0, tilde);
  const std::string_view prefix = tilde == std::string_view::npos ? "" : who.substr(tilde + 1);
  const RosterEntry* by_id = nullptr;
  size_t by_id_count = 0;
  for (const auto& [node, entry] : entries_) {
    const std::string id = node.to_string();
    if (entry.nick == nick && id.starts_with(prefix)) return &entry;
    if (who.size() >= 4 && id.starts_with(who)) {
      by_id = &entry;
      ++by_id_count;
    }
  }
  return by_id_count == 1 ? by_id : nullptr;
}

std::vector<NodeId> Roster::by_rank() const {
  std::vector<const RosterEntry*> order;
  for (const auto& [node, entry] : entries_) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const RosterEntry* a, const RosterEntry* b) {
    return std::pair(a->rank, a->node) < std::pair(b->rank, b->node);
  });
  std::vector<NodeId> out;
  for (const RosterEntry* entry : order) out.push_back(entry->node);
  return out;
}

bool Roster::is_consistent() const {
  if (entries_.size() > members_max) return false;
  return std::all_of(entries_.begin(), entries_.end(),
                     [](const auto& item) { return item.first == item.second.node; }) &&
         std::all_of(touched_.begin(), touched_.end(),
                     [this](const NodeId& node) { return entries_.contains(node); });
}

}  // namespace node
