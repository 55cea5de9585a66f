// SPDX-License-Identifier: MIT
//
// Watching over connections: keep-alives, who was silent for too long, and those that nobody needs
// any more.
#include <algorithm>

#include "node/node_state.h"

namespace node {

/// How often that node says that it is here. In a crisis everybody is quick: what was lost of the
/// gathering goes along with the next keep-alive.
mrt::Duration Node::State::keep_alive_interval(const NodeId& node) const {
  const RosterEntry* entry = roster.find(node);
  if (!migration.is_steady() || (entry && entry->rank <= quick_ranks)) return keep_alive_min;
  return std::max(keep_alive_min,
                  keep_alive_per_member * static_cast<mrt::Duration::rep>(roster.size()));
}

/// Says "I am here" where silence is judged: to the supernode, and in a crisis to whoever is to
/// take over. MRT's acknowledgement is the answer.
void Node::State::beat(mrt::Instant now) {
  next_beat = mrt::never;
  const auto late_ms = static_cast<uint64_t>(mrt::to_ms(lateness));
  Heartbeat heartbeat{epoch, supernode, word, late_ms, {}};
  for (const auto& [node, one] : introductions.tries) {
    const bool is_next = roster.find(node) && roster.find(node)->rank <= warm_successors;
    if (ports.seeks_member(node)) continue;  // a way may still be found
    if (is_next && one.tries > warm_tries_max) heartbeat.unreached.push_back(node);
  }
  const mrt::Bytes message = encode(heartbeat);
  bool beats = false;
  const auto beat_to = [&](Link* link) {
    if (!link || !link->connected) return;
    // Heard since the last one? Arrivals are counted at this pace, whatever else is going on.
    if (const auto stats = endpoint.stats(link->id)) link->suspicion.on_heard(stats->last_received);
    endpoint.send_datagram(now, link->id, message);
    beats = true;
  };
  beat_to(uplink());
  if (!migration.is_steady()) {
    for (const auto& [node, id] : link_by_node) {
      if (id != uplink_id && roster.find(node)) beat_to(&links.at(id));
    }
  } else if (is_supernode()) {
    if (const Link* link = successor_link()) beat_to(link_to(link->peer));
  }
  if (beats) next_beat = now + keep_alive_interval(self);
}

void Node::State::on_heartbeat(mrt::Instant now, Link& link, const Heartbeat& message) {
  link.suspicion.on_heard(now);
  if (link.member) {
    const Grade before = link.grade;
    const uint64_t most = static_cast<uint64_t>(mrt::to_ms(lateness_most));
    link.grade.measure_lateness(std::chrono::milliseconds(std::min(message.late_ms, most)));
    measure(link);
    ranks_doubtful |= link.grade != before;
    if (ranks_doubtful && now >= ranked_at + rank_pause) rank_by_grades(now);
    note_unreached(now, link, message.unreached);
    note_cut_off(now, link);
  }
  if (message.supernode == self && !link.member && !quitting) {
    // It counts on us, and we are not its supernode (any more): it has to look for another.
    return drop_link(now, link.id, close_superseded, "another supernode is followed");
  }
  // Whoever gathers, or was gathered, has left this view and confirms nothing of it.
  if (message.epoch != epoch || message.supernode != supernode || !migration.is_steady()) return;
  if (from_uplink(link) && synced && message.word > word) {
    word = message.word;
    beat(now);
  } else if (doubt_ends != mrt::never && message.word == word && &link == successor_link()) {
    doubt_ends = mrt::never;
    advance_stable(now);
  }
}

/// Asks of each link that matters how long it was silent.
void Node::State::check_silence(mrt::Instant now) {
  next_silence_check = mrt::never;
  advance_stable(now);
  std::vector<NodeId> removals;
  std::vector<NodeId> silent;
  const Link* up = uplink();
  const mrt::Duration patience = up ? up->suspicion.silence_allowed() : silence_min;
  for (auto& [id, link] : links) {
    const bool in_crisis = !migration.is_steady() && roster.find(link.peer);
    const bool is_counted = link.member || counts(link);
    if (!is_counted && uplink_id != id && !in_crisis) continue;
    const auto stats = endpoint.stats(id);
    if (stats) link.suspicion.on_heard(stats->last_received);
    // A member is heard as often as it says something, all others as often as they have to answer.
    link.suspicion.expect_every(keep_alive_interval(is_counted ? link.peer : self));
    const mrt::Duration allowed =
        link.suspicion.silence_allowed() * (is_counted ? removal_patience : 1);
    mrt::Instant deadline = link.suspicion.last_heard() + allowed;
    // Between members nothing was said until now, and nothing is known of how it gets through: as
    // long as with the supernode, from the first word on, which has to get there and back.
    if (!is_counted && uplink_id != id && stats) {
      deadline = std::max(link.suspicion.last_heard(), migration.began()) + patience + stats->rtt;
    }
    if (deadline <= now) {
      (is_counted && migration.is_steady() ? removals : silent).push_back(link.peer);
    } else {
      next_silence_check = std::min(next_silence_check, deadline);
      if (uplink_id == id) migration.on_heard(now, link.peer);
    }
  }
  for (const NodeId& node : silent) migration.on_silent(now, node);
  for (const NodeId& node : removals) {
    const auto addresses = addresses_of(node, true);
    if (const Link* link = link_to(node)) {
      emit(Noted{"nothing heard of " + link->hello.nick + ": removed"});
      const mrt::ConnectionId id = link->id;
      remember_lost(now, node, addresses, meet_first);
      drop_link(now, id, close_removed, "nothing was heard for too long");
    }
  }
  // A silent one is asked about again: it may speak, or its connection may close.
  if (!silent.empty()) next_silence_check = std::min(next_silence_check, now + keep_alive_min);
}

/// After a view has begun: connections that nobody needs any more.
void Node::State::close_unneeded_links(mrt::Instant now) {
  std::vector<mrt::ConnectionId> unneeded;
  for (const auto& [id, link] : links) {
    if (uplink_id == id || link.member || !link.connected || link.peer.is_null()) continue;
    if (search && link.asks == Purpose::join) continue;
    if (link.told_busy) continue;  // it will ask again
    const RosterEntry* entry = roster.find(link.peer);
    const RosterEntry* mine = roster.find(self);
    const bool warm = entry && entry->rank > 0 && entry->rank <= warm_successors;
    const bool warms_us = entry && mine && mine->rank <= warm_successors;
    if (!warm && !warms_us) unneeded.push_back(id);
  }
  for (const mrt::ConnectionId id : unneeded) {
    drop_link(now, id, close_superseded, "another supernode is followed");
  }
}

}  // namespace node
