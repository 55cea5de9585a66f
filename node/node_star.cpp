// SPDX-License-Identifier: MIT
//
// Being the supernode: taking members in, the roster and its changes, giving broadcasts their
// places, and knowing which of them are stable.
#include <algorithm>
#include <utility>

#include "node/file_name.h"
#include "node/node_state.h"

namespace node {

void Node::State::become_supernode(mrt::Instant now, Epoch next) {
  supernode = self;
  epoch = next;
  uplink_id.reset();
  synced = true;
  for (auto& [node, peer] : lost) peer.is_mine = true;
  arrivals.clear();
  migration.note_epoch(next);
  order.begin_view(next, self);
  order.history_ends();
  for (auto& [id, link] : links) link.holds = {};
  holds_due = mrt::never;
  unreachable.clear();
  doubt_ends = mrt::never;
  stable = stable_told = {};  // what was placed before may be held by nobody else
  rank_members(now);
  migration.on_view(now, epoch, by_rank());
  transfer.on_supernode(now, self);
  note_reach(now);
  next_beat = now;
  next_silence_check = now + keep_alive_min;
}

void Node::State::on_join_request(mrt::Instant now, Link& link) {
  const Hello& hello = link.hello;
  if (hello.network != config.network) {
    return send(now, link,
                Refuse{RefuseCode::network, "this is the network '" + config.network + "'"});
  }
  if (!is_in_reach(hello.epoch)) return violation(now, link, "claims an epoch out of reach");
  link.told_busy = false;
  if (quitting || !migration.is_steady() || !synced) {
    link.told_busy = true;
    return send(now, link, Refuse{RefuseCode::busy, "the supernode is changing"});
  }
  if (!is_supernode()) {
    // The supernode's NAT may have to let it in: that is so if there is one, or it was told before.
    const RosterEntry* leader = roster.find(supernode);
    const bool is_hidden = leader && leader->behind_nat;
    if (std::exchange(link.led_on, true) || is_hidden) {
      send_to(now, supernode, Introduce{hello.node, {link.path.remote}});
    }
    return send(now, link,
                Redirect{epoch, supernode, addresses_of(supernode, link.path.remote.is_loopback()),
                         told_key(network_key())});
  }
  if (search) {
    // On the way to another star. Where two go to each other, or several in a circle (which
    // takes its time), the one with the higher (epoch, id) stays where it is.
    const bool to_each_other = link.asks == Purpose::join;
    const bool circle = search->started + circle_time <= now;
    const bool ours_is_higher = std::pair(hello.epoch, hello.node) < std::pair(epoch, self);
    if (!ours_is_higher || !(to_each_other || circle)) {
      link.told_busy = true;
      return send(now, link, Refuse{RefuseCode::busy, "joining another star"});
    }
  }
  if (!roster.find(hello.node) && roster.is_full()) {
    return send(now, link, Refuse{RefuseCode::full, "the star is full"});
  }
  if (link.limits.joins.is_spent(now)) {
    link.told_busy = true;
    return send(now, link, Refuse{RefuseCode::busy, "you joined often enough"});
  }
  link.limits.joins.spend(now);
  admit(now, link);
}

/// Takes the link's node in as a member. Its own star, if it has one, follows by itself.
void Node::State::admit(mrt::Instant now, Link& link) {
  deliver(now);  // what it was alone to hear comes before whoever ends that
  const Hello& hello = link.hello;
  // One who comes from another star, with it or after it, gets all that is held: what this side
  // said and what that side said is to be heard by both.
  const bool from_a_star =
      hello.star_size > 1 || hello.supernode != hello.node || !hello.line.empty();
  const size_t history = from_a_star ? tail_messages_max : hello.history;
  auto from = order.resume_point(hello.line, history);
  // Places only rise, for the newcomer too: from another view with an epoch as high as ours it
  // comes into a new one.
  const bool same_view = hello.epoch == epoch && hello.supernode == self && !hello.line.empty() &&
                         hello.line.front().life == incarnation;
  const bool other_line =
      !same_view && (hello.epoch >= epoch || (!from.resumed && hello.star_size > 1));
  const bool rises = epoch == Epoch{} || other_line;
  if (rises) {
    become_supernode(now, {std::max({epoch, hello.epoch, migration.epoch_seen()}).value + 1});
  }
  const RosterEntry* known = roster.find(hello.node);
  const bool is_new = !known || known->incarnation != hello.incarnation;
  if (known && is_new) remove_member(now, hello.node, GoneReason::lost);
  RosterEntry entry{hello.node, hello.incarnation, roster.free_nick(hello.node, hello.nick),
                    {},         members_max,       0,
                    hello.key};
  entry.addresses = said_addresses(link.reach);
  entry.symmetric = link.reach.symmetric;
  roster.put(entry);
  lost.erase(hello.node);
  link.joined = ++joined_count;
  link.carries = from_a_star;
  link.came_after = order.last();
  sync_member(now, link, from);
  if (is_new) note_joined(entry);
  roster_changed = true;
  next_beat = std::min(next_beat, now);
  next_silence_check = std::min(next_silence_check, now + keep_alive_min);
  tell_roster_soon(now);
  // Places of the new epoch go to members who know of it by then.
  if (rises) flush_roster(now);
}

/// Brings a member up to now: Welcome, the whole roster, all offers, what was said since.
void Node::State::sync_member(mrt::Instant now, Link& link, const Order::ResumePoint& from,
                              bool gathered) {
  if (!roster.find(link.peer)) return;
  link.member = true;
  observe(link);
  link.holds = {};
  if (holds_awaited == link.id) holds_due = mrt::never;
  had_company = true;
  link.suspicion = Suspicion(now);
  rank_members(now);
  enqueue(link, Welcome{epoch, self, roster.find(link.peer)->nick, link.path.remote, from.resumed,
                        from.after, told_key(network_key()), order.whole_line(), from.kept,
                        gathered, from.asked_in});
  for (const RosterUpdate& part : roster.full(epoch, self)) enqueue(link, part);
  StandingOffers part{false, {}};
  for (const HeldOffer& held : standing_offers()) {
    if (part.offers.size() == offers_part_max) {
      enqueue(link, part);
      part.offers.clear();
    }
    part.offers.push_back(held);
  }
  part.last = true;
  enqueue(link, part);
  link.cursor = from.after;
  link.ready_after = order.last();
  flush_link(now, link);
}

void Node::State::remove_member(mrt::Instant now, const NodeId& node, GoneReason reason) {
  const RosterEntry* found = roster.find(node);
  if (!found || node == self || !is_supernode()) return;
  const RosterEntry entry = *found;
  roster.remove(node, reason);
  Link* link = link_to(node);
  if (link) link->member = false;
  note_left(now, entry, reason);
  rank_members(now);
  tell_roster_soon(now);
  advance_stable(now);
  if (link && reason == GoneReason::quit) {
    // It waits for its goodbye to be acknowledged and closes by itself.
    link_by_node.erase(node);
    link->peer = {};
  }
}

/// Until its round trip is known a member comes last: else each newcomer would move all others
/// down, in a roster of all of them.
void Node::State::measure(Link& link) {
  const auto stats = endpoint.stats(link.id);
  if (!stats || stats->rtt == mrt::Duration{}) return;
  link.grade.measure_rtt(stats->rtt);
  // Few packets say nothing about loss.
  if (stats->packets_sent >= 200) {
    link.grade.measure_loss(static_cast<double>(stats->packets_lost) /
                            static_cast<double>(stats->packets_sent));
  }
  if (const RosterEntry* entry = roster.find(link.peer)) {
    RosterEntry updated = *entry;
    updated.rtt_us =
        static_cast<uint32_t>(std::clamp<int64_t>(mrt::to_us(stats->rtt), 0, 60'000'000));
    roster.put(updated);
  }
}

/// Whom more than half of the others do not reach is no successor. One of them may have a broken
/// line, or be a liar.
void Node::State::note_unreached(mrt::Instant now, Link& link,
                                 const std::vector<NodeId>& unreached) {
  link.unreached = unreached;
  for (const NodeId& node : unreached) {
    const auto known = unreachable.find(node);
    if (node == self || !roster.find(node) || known != unreachable.end()) continue;
    size_t others = 0;
    size_t in_vain = 0;
    for (const auto& [id, one] : links) {
      if (!one.member || one.peer == node) continue;
      ++others;
      if (std::find(one.unreached.begin(), one.unreached.end(), node) != one.unreached.end())
        ++in_vain;
    }
    if (2 * in_vain <= others) continue;
    unreachable[node] = now + unreachable_for;
    rank_members(now);
  }
}

/// By what is known of the members by now.
std::vector<NodeId> Node::State::succession_now(mrt::Instant now) {
  std::erase_if(unreachable,
                [&](const auto& one) { return one.second <= now || !roster.find(one.first); });
  std::vector<Candidate> candidates;
  for (const auto& [node, id] : link_by_node) {
    Link& link = links.at(id);
    if (!link.member) continue;
    measure(link);
    const RosterEntry* entry = roster.find(node);
    // In a LAN nobody tells who can be called from outside.
    const bool open = entry && !entry->behind_nat && !link.path.remote.is_private();
    candidates.push_back({node, !unreachable.contains(node), link.grade, link.joined, open});
  }
  return succession(candidates);
}

/// Those behind the first few move with the next one who comes or goes: a roster of all, to all,
/// for each that is a little faster now would keep a large star busy with itself.
void Node::State::rank_by_grades(mrt::Instant now) {
  ranks_doubtful = false;
  ranked_at = now;
  const std::vector<NodeId> next = succession_now(now);
  for (size_t i = 0; i < std::min(next.size(), quick_ranks); ++i) {
    const RosterEntry* entry = roster.find(next[i]);
    if (entry && entry->rank != i + 1) return rank_members(now);
  }
}

void Node::State::rank_members(mrt::Instant now) {
  roster.rank(self, succession_now(now));
  migration.on_succession(by_rank());
  if (roster.has_changes()) tell_roster_soon(now);
}

/// With all that changes within roster_delay.
void Node::State::tell_roster_soon(mrt::Instant now) {
  roster_due = std::min(roster_due, std::max(now, roster_flushed + roster_delay));
}

void Node::State::flush_roster(mrt::Instant now) {
  roster_due = mrt::never;
  if (!is_supernode()) return;
  rank_members(now);
  roster_due = mrt::never;
  roster_flushed = now;
  if (!roster.has_changes()) return;
  const auto parts = roster.take_changes(epoch, self);
  std::vector<mrt::ConnectionId> members;
  for (const auto& [id, link] : links) {
    if (link.member) members.push_back(id);
  }
  for (const mrt::ConnectionId id : members) {
    const auto it = links.find(id);
    if (it == links.end()) continue;
    for (const RosterUpdate& part : parts) send(now, it->second, part);
  }
  roster_changed = true;
}

const Link* Node::State::successor_link() const {
  for (const auto& [node, id] : link_by_node) {
    const RosterEntry* entry = roster.find(node);
    if (entry && entry->rank == 1 && links.at(id).member) return &links.at(id);
  }
  return nullptr;
}

/// A leader that may have been replaced must not go on ordering: it does so only while its
/// successor is heard. After a stall of its own, or when members follow another, it waits until
/// the successor repeats its word, or, without one, until it has looked for those who went.
bool Node::State::may_order(mrt::Instant now) const {
  if (doubt_ends != mrt::never) return false;
  const Link* successor = successor_link();
  if (!successor) return true;
  if (order.is_overfull()) return false;
  mrt::Instant heard = successor->suspicion.last_heard();
  if (const auto stats = endpoint.stats(successor->id))
    heard = std::max(heard, stats->last_received);
  return now - heard < std::max(successor->suspicion.silence_allowed(), silence_min);
}

/// Others may have begun an epoch without this node. What of the successor is on its way says
/// nothing: it may be gone since. So it is asked for a word that it cannot have heard yet.
void Node::State::doubt_epoch(mrt::Instant now) {
  const bool is_alone = roster.size() == 1 && doubt_ends == mrt::never;
  if (!is_supernode() || is_alone) return;
  ++word;
  next_beat = now;
  doubt_ends = now + doubt_time;
}

void Node::State::on_publish(mrt::Instant now, Link& link, const Publish& message) {
  if (message.incarnation != link.hello.incarnation || message.number == 0) {
    return violation(now, link, "publishes in another's name");
  }
  if (!is_sound(message.kind, message.body)) {
    return violation(now, link, "publishes what is neither text nor offer");
  }
  place(now, link.peer, message);
}

/// What was said on a side that a member left, by a life that is not here to say it again. A
/// member is believed only what its sender signed; but what is not may have been told to it by the
/// supernode that it left, so it has broken no rule.
void Node::State::on_carried(mrt::Instant now, Link& link, const Ordered& message) {
  const bool is_news = link.carries && !is_here(message.id) && order.lacks(message.id);
  if (!is_news || message.id.number == 0 || !is_sound(message.kind, message.body)) return;
  link.limits.proofs.spend(now, 1 + static_cast<int64_t>(message.body.size() / proof_step));
  if (!is_proven(message, config.network)) {
    if (link.unproven++ == 0) {
      emit(Noted{link.hello.nick + " carries what its sender has not signed: dropped"});
    }
    return;
  }
  Ordered proven = message;
  // The nick is not signed, and nobody is to be taken for one who is here.
  proven.nick = roster.free_nick(message.id.sender, message.nick);
  order.carry(proven);
}

void Node::State::place(mrt::Instant now, const NodeId& sender, const Publish& message) {
  if (quitting || !migration.is_steady()) return;  // it is said again to the next supernode
  if (!held_publishes.empty() || !order.carried().empty() || !may_order(now)) {
    return held_publishes.push(sender, message);
  }
  const RosterEntry* entry = roster.find(sender);
  if (!entry) return;
  // Nobody hears of a node before it hears who that is.
  if (roster.is_news(sender)) flush_roster(now);
  order.place(*entry, message);
  advance_stable(now);
}

void Node::State::place_held(mrt::Instant now) {
  if (quitting || !migration.is_steady()) return;
  // As in place(): who said it may have come since.
  if (roster.has_changes() && may_order(now)) flush_roster(now);
  if (may_order(now)) order.place_carried();
  while (!held_publishes.empty() && may_order(now)) {
    const auto [sender, message] = held_publishes.pop();
    if (const RosterEntry* entry = roster.find(sender)) order.place(*entry, message);
  }
  advance_stable(now);
}

/// All wait for what it says. One who is heard, and does not say that it holds what it was sent, is
/// not to be waited for: it is closed as others are who do not take what is sent.
void Node::State::expect_holds(mrt::Instant now, const Link& successor) {
  const bool is_another = std::exchange(holds_awaited, successor.id) != successor.id;
  const bool holds_all = successor.holds >= successor.cursor;
  if (is_another || holds_all) holds_due = mrt::never;
  if (holds_all) return;
  if (holds_due == mrt::never) holds_due = now + holds_patience;
  if (holds_due <= now) slow.insert(successor.id);
}

/// Stable is what the first successor holds too; without one, everything.
void Node::State::advance_stable(mrt::Instant now) {
  if (!is_supernode()) return;
  Seq mark = order.last();
  if (const Link* successor = successor_link()) {
    mark = successor->holds;
    expect_holds(now, *successor);
  } else if (doubt_ends != mrt::never || !migration.is_steady() || quitting) {
    return;  // it may be alone only because the others went on without it
  }
  order.deliver_up_to(mark);
  if (mark <= stable) return;
  stable = mark;
  if (roster.size() > 1) stable_due = std::min(stable_due, now + stable_delay);
}

/// Sends members what was placed, and places what could not be placed before.
void Node::State::spread(mrt::Instant now) {
  if (!is_supernode()) return;
  if (!held_publishes.empty() || !order.carried().empty()) {
    place_held(now);
    deliver(now);  // it may not be alone any more when it is called next
  }
  const Seq last = order.last();
  std::vector<mrt::ConnectionId> behind;
  for (const auto& [id, link] : links) {
    if (link.member && (link.cursor < last || link.ready_after)) behind.push_back(id);
  }
  for (const mrt::ConnectionId id : behind) {
    const auto it = links.find(id);
    if (it != links.end()) flush_link(now, it->second);
  }
}

/// SCLS: everyone gets what was placed, and the name of the one who goes on.
void Node::State::close_star(mrt::Instant now, const SupernodeClose& message) {
  flush_roster(now);  // whom they do not know they follow nowhere, and the successor may be new
  spread(now);
  for (auto& [id, link] : links) {
    if (link.member && link.peer != message.successor) send(now, link, message);
  }
  // The successor last: when it gathers, the others know already.
  if (Link* link = link_to(message.successor); link && link->member) send(now, *link, message);
}

/// A member's user wants the star to join another one.
void Node::State::on_merge(mrt::Instant now, Link& link, const Merge& message) {
  // What it was given by nobody is the own key, which MRT shows as the case may be.
  const auto key = key_to_follow(network_key(), message.key);
  if (search || !key) {
    return send(now, link,
                MergeFailed{message.number, !key,
                            key ? "the supernode is joining another star already"
                                : "the star does not join one that asks for less"});
  }
  JoinSearch wanted;
  wanted.targets = usable(message.targets, link.path.remote.is_loopback());
  if (*key != network_key()) wanted.key = key;
  wanted.lead_star = true;
  wanted.asked_by = link.peer;
  wanted.asked_number = message.number;
  start_join(now, std::move(wanted));
}

}  // namespace node
