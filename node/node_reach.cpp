// SPDX-License-Identifier: MIT
//
// Where each node is reached (OVERLAY.md 4.9): what it says of that itself, where its supernode
// sees it, and what the roster makes of both.
#include <algorithm>

#include "node/node_state.h"

namespace node {

/// What this node would say of itself now.
Reachable Node::State::own_reach() const {
  Reachable mine{config.addresses, stun_port.mapped(), stun_port.symmetric() == true};
  mine.addresses.resize(std::min(mine.addresses.size(), addresses_max));
  mine.mapped.resize(std::min(mine.mapped.size(), mapped_max));
  return mine;
}

/// It may be something else than before, or the supernode another one. What comes in bursts, as
/// addresses and families do, is told as one.
void Node::State::note_reach(mrt::Instant now) {
  const Link* up = uplink();
  if (!is_supernode() && !(up && synced)) return;  // looked at with Ready
  const Reachable& told = is_supernode() ? reach_told : up->said;
  if (own_reach() != told) reach_due = std::max(now + roster_delay, reach_next);
}

void Node::State::tell_reach(mrt::Instant now) {
  reach_due = mrt::never;
  const Reachable mine = own_reach();
  Link* up = uplink();
  if (is_supernode()) {
    put_reach(now, self, reach_told, mine);
  } else if (up && synced) {
    up->said = mine;
    send(now, *up, mine);
  } else {
    return;
  }
  reach_told = mine;
  reach_next = now + reach_pause;
}

/// A member is reached elsewhere than it said before.
void Node::State::on_reachable(mrt::Instant now, Link& link, const Reachable& message) {
  if (link.reach == message || link.limits.joins.is_spent(now)) return;
  link.limits.joins.spend(now);  // all are told, as of one who joins
  const Reachable before = std::exchange(link.reach, message);
  put_reach(now, link.peer, before, message);
  observe(link);
}

/// What others saw of a node stays behind what it says itself, unless it is somewhere else by now.
void Node::State::put_reach(mrt::Instant now, const NodeId& node, const Reachable& before,
                            const Reachable& reach) {
  RosterEntry entry = *roster.find(node);
  std::vector<mrt::Address> all = said_addresses(reach);
  for (const mrt::Address& address : entry.addresses) {
    const auto& gone = before.mapped;
    if (before.addresses != reach.addresses) break;
    if (std::find(gone.begin(), gone.end(), address) == gone.end()) all.push_back(address);
  }
  entry.addresses = usable(all, true);
  entry.symmetric = reach.symmetric;
  roster.put(entry);
  tell_roster_soon(now);
}

/// Where this supernode sees a member stands first in the roster, before what was there. A port of
/// its gateway that leads to it is better still: anybody can call it there.
void Node::State::observe(const Link& link) {
  RosterEntry entry = *roster.find(link.peer);
  const mrt::Address& seen = link.path.remote;
  const auto& own = link.reach.addresses;
  auto open = std::find(own.begin(), own.end(), seen);
  if (open == own.end()) {
    open = std::find_if(own.begin(), own.end(),
                        [&seen](const mrt::Address& one) { return one.ip == seen.ip; });
  }
  entry.behind_nat = open == own.end();
  std::vector<mrt::Address> all{entry.behind_nat ? seen : *open, seen};
  all.insert(all.end(), entry.addresses.begin(), entry.addresses.end());
  entry.addresses = usable(all, seen.is_loopback());
  roster.put(entry);
}

/// A member is seen somewhere else: its NAT has forgotten it, or it has moved. Those whom it has
/// warm connections with let it in there.
void Node::State::on_member_moved(mrt::Instant now, Link& link, const mrt::Address& before) {
  if (!link.member || link.limits.joins.is_spent(now)) return;
  link.limits.joins.spend(now);  // all are told, as of one who joins
  RosterEntry entry = *roster.find(link.peer);
  std::erase(entry.addresses, before);
  roster.put(entry);
  observe(link);
  tell_roster_soon(now);
  const auto rank_of = [this](const NodeId& node) { return roster.find(node)->rank; };
  for (auto& [id, other] : links) {
    if (!other.member || other.id == link.id) continue;
    if (std::min(rank_of(other.peer), rank_of(link.peer)) > warm_successors) continue;
    introduce(now, link, other);
  }
}

}  // namespace node
