// SPDX-License-Identifier: MIT
//
// Members among themselves (OVERLAY.md 4.5): warm connections to the first successors, and how a
// supernode brings two together who are both behind NATs, by telling each at the same moment where
// it sees the other.
#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "node/node_state.h"

namespace node {

std::vector<mrt::Address> with_guesses(std::vector<mrt::Address> told, const mrt::Address& teller) {
  if (teller.is_private()) return told;
  const size_t count = told.size();
  for (size_t i = 0; i < count; ++i) {
    if (told[i].is_private() && !told[i].is_loopback()) told.push_back({teller.ip, told[i].port});
  }
  return told;
}

static bool is_successor(const RosterEntry& entry) {
  return entry.rank > 0 && entry.rank <= warm_successors;
}

/// Keeps a proven connection to the first successors, for the day when one takes over, and to those
/// who hold what is being fetched.
void Node::State::keep_warm(mrt::Instant now) {
  call_later(now);
  hang_up_doubtful(now);
  if (is_supernode() || !synced || quitting || !migration.is_steady()) {
    introductions.tries.clear();
    return;
  }
  std::map<NodeId, WarmTry> wanted;
  const auto want = [&](const NodeId& node) {
    if (node == self || link_by_node.contains(node) || left_nodes.contains(now, node)) return;
    const auto tried = introductions.tries.find(node);
    WarmTry& one = wanted[node] = tried == introductions.tries.end() ? WarmTry{now} : tried->second;
    const RosterEntry& entry = *roster.find(node);
    if (is_successor(entry) && !is_searched(entry)) one.next = std::min(one.next, now + warm_retry);
    const std::pair ends{seen_at(self), seen_at(node)};
    if (std::exchange(one.ends, ends) == ends) return;
    one.next = now;
    one.round_calls = 0;
    one.round_pause = search_rounds_pause;
  };
  for (const auto& [node, entry] : roster.entries()) {
    if (is_successor(entry)) want(node);
  }
  for (const NodeId& holder : transfer.sought()) {
    if (roster.find(holder)) want(holder);
  }
  introductions.tries = std::move(wanted);
  for (auto& [node, one] : introductions.tries) {
    if (one.next <= now) {
      one.next = now + pause_before_next(node, one);
      one.ask_at = roster.find(node)->behind_nat ? now : now + introduce_after;
      ++one.tries;
      call_member(now, node, addresses_from_here(node));
    }
    if (one.ask_at > now) continue;
    one.ask_at = mrt::never;
    send_to(now, supernode, Introduce{node, {}});
  }
}

/// Only a search for a port helps: one's NAT is symmetric, and the other is behind one, too. (Whose
/// NAT is symmetric may be beside its supernode, which then sees none.)
bool Node::State::is_searched(const RosterEntry& entry) const {
  if (stun_port.symmetric() == entry.symmetric) return false;
  const RosterEntry* other = entry.symmetric ? roster.find(self) : &entry;
  return other && other->behind_nat;
}

/// Of two calls of one member.
mrt::Duration Node::State::pause_before_next(const NodeId& node, WarmTry& one) {
  const RosterEntry& entry = *roster.find(node);
  if (!is_successor(entry)) {
    // A holder is served by the supernode as well: it is called seldom, and then twice, since a
    // search for a port begins with the second call (OVERLAY.md 4.10).
    const bool goes_on =
        one.tries < warm_tries_max || (one.tries > warm_tries_max && one.tries % 2 == 0);
    return goes_on ? warm_retry : unreachable_for;
  }
  if (!is_searched(entry) || ++one.round_calls < search_round_calls) return warm_retry;
  one.round_calls = 0;
  const mrt::Duration least = one.round_pause;
  one.round_pause = std::min(2 * least, search_rounds_pause_max);
  return least + mrt::Duration(random.below(static_cast<uint64_t>(least.count())));
}

/// Null where it is not known.
mrt::Address Node::State::seen_at(const NodeId& node) const {
  const RosterEntry* entry = roster.find(node);
  return entry && !entry->addresses.empty() ? entry->addresses.front() : mrt::Address{};
}

/// Where that member can be called: where the supernode sees it, and what it says itself. Its
/// private addresses only if it may be in the same LAN, which it is not unless the supernode sees
/// both at one address, or both at private ones: elsewhere they are others'.
std::vector<mrt::Address> Node::State::addresses_from_here(const NodeId& node) {
  const Link* up = uplink();
  const auto known = addresses_of(node, up && up->path.remote.is_loopback());
  const RosterEntry* mine = roster.find(self);
  if (!up || known.empty() || !mine || mine->addresses.empty()) return known;
  const mrt::Address& seen = known.front();
  const mrt::Address& own = mine->addresses.front();
  auto all = known;
  const bool may_be_near = seen.ip == own.ip || (seen.is_private() && own.is_private());
  if (!may_be_near) {
    std::erase_if(all, [&](const mrt::Address& a) { return a != seen && a.is_private(); });
    all = with_guesses(all, up->path.remote);
  }
  return all;
}

/// Several addresses are called side by side; where one is near, the others a little later.
void Node::State::call_member(mrt::Instant now, const NodeId& node,
                              const std::vector<mrt::Address>& addresses) {
  const bool any_near =
      std::any_of(addresses.begin(), addresses.end(), std::mem_fn(&mrt::Address::is_private));
  for (const mrt::Address& address : addresses) {
    if (!any_near || address.is_private()) {
      open_link(now, address, Purpose::warm);
    } else if (introductions.later.size() < later_calls_max) {
      introductions.later.push_back({now + head_start, node, address});
    }
  }
}

void Node::State::call_later(mrt::Instant now) {
  while (!introductions.later.empty() && introductions.later.front().at <= now) {
    const auto call = introductions.later.front();
    introductions.later.pop_front();
    const bool wanted = !quitting && roster.find(call.node) && !link_by_node.contains(call.node);
    if (wanted) open_link(now, call.address, Purpose::warm);
  }
}

/// A member asks to be brought together with another one, or sends somebody here who is none yet.
void Node::State::on_introduction_asked(mrt::Instant now, Link& link, const Introduce& message) {
  if (link.limits.introductions.is_spent(now)) return;
  link.limits.introductions.spend(now);
  if (!message.addresses.empty()) {
    const auto from = with_guesses({message.addresses.front()}, link.path.remote);
    for (const auto& address : usable(from, link.path.remote.is_loopback())) open_nat(now, address);
    return;
  }
  Link* other = link_to(message.node);
  if (other && other->member && other != &link) introduce(now, link, *other);
}

/// Tells each of two members where this supernode sees the other, at the same moment.
void Node::State::introduce(mrt::Instant now, Link& one, Link& other) {
  const auto tell = [&](Link& to, const Link& about) {
    const mrt::Address& seen = about.path.remote;
    std::vector<mrt::Address> addresses{seen};
    // Behind one NAT they may reach each other without it.
    if (seen.ip == to.path.remote.ip) {
      const auto& own = about.reach.addresses;
      std::copy_if(own.begin(), own.end(), std::back_inserter(addresses),
                   std::mem_fn(&mrt::Address::is_private));
    }
    addresses = usable(addresses, to.path.remote.is_loopback());
    if (!addresses.empty()) send(now, to, Introduce{about.peer, addresses});
  };
  tell(one, other);
  tell(other, one);
}

/// The supernode says where another member is, who calls as well. Where the two have a connection
/// one of them has another address by now, and is let in there.
void Node::State::on_introduced(mrt::Instant now, const Link& uplink, const Introduce& message) {
  if (message.node == self || !roster.find(message.node)) return;
  if (left_nodes.contains(now, message.node) || introductions.followed.is_spent(now)) return;
  introductions.followed.spend(now);
  const auto addresses =
      usable(with_guesses(message.addresses, uplink.path.remote), uplink.path.remote.is_loopback());
  const Link* known = link_to(message.node);
  if (!known || !known->connected) {
    search_member(now, uplink, message);
    return call_member(now, message.node, addresses);
  }
  for (const mrt::Address& address : addresses) {
    if (address != known->path.remote) open_nat(now, address);
  }
  endpoint.send_datagram(now, known->id, encode(Heartbeat{epoch, supernode, word, 0, {}}));
  introductions.doubtful.try_emplace(known->id, now);
}

/// Where a NAT gives each far end another port, nothing leads to a new address but a new call.
void Node::State::hang_up_doubtful(mrt::Instant now) {
  std::vector<mrt::ConnectionId> silent;
  std::erase_if(introductions.doubtful, [&](const auto& one) {
    const auto stats = endpoint.stats(one.first);
    const bool is_heard = !stats || stats->last_received > one.second;
    const bool is_due = one.second + recheck_time <= now;
    if (is_due && !is_heard) silent.push_back(one.first);
    return is_due || is_heard;
  });
  for (const mrt::ConnectionId id : silent) {
    const auto link = links.find(id);
    if (link == links.end() || link->second.member || uplink_id == id) continue;
    hang_up(now, id);
  }
}

/// The end of this supernode would cut off who does not reach the next one: all are told.
void Node::State::note_cut_off(mrt::Instant now, const Link& link) {
  const RosterEntry* known = roster.find(link.peer);
  const Link* next = successor_link();
  const bool cut_off = next && std::find(link.unreached.begin(), link.unreached.end(),
                                         next->peer) != link.unreached.end();
  if (!known || known->cut_off == cut_off) return;
  RosterEntry entry = *known;
  entry.cut_off = cut_off;
  roster.put(entry);
  tell_roster_soon(now);
}

RelayReason Node::State::why_relayed(const NodeId& node) const {
  const RosterEntry* entry = roster.find(node);
  const auto tried = introductions.tries.find(node);
  const bool is_tried = tried != introductions.tries.end();
  const bool in_vain = is_tried && tried->second.tries > warm_tries_max;
  const bool own = stun_port.symmetric() == true;
  const bool other = entry && entry->symmetric;
  // Where both are behind such NATs neither has a port that the other could be told.
  if ((own && other) || ((own || other) && in_vain)) return RelayReason::symmetric_nat;
  if (!is_tried) return RelayReason::not_needed;
  return in_vain ? RelayReason::no_answer : RelayReason::connecting;
}

}  // namespace node
