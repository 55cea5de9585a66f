// SPDX-License-Identifier: MIT
//
// Being a member: the roster and the placed broadcasts as the supernode sends them, own
// broadcasts on their way there, and messages from one to one.
#include <algorithm>

#include "node/node_state.h"
#include "node/tell_seal.h"

namespace node {

static LeaveReason to_leave_reason(GoneReason reason) {
  switch (reason) {
    case GoneReason::quit:
      return LeaveReason::quit;
    case GoneReason::lost:
      return LeaveReason::lost;
    case GoneReason::refused:
      return LeaveReason::refused;
  }
  return LeaveReason::lost;
}

void Node::State::note_joined(const RosterEntry& entry) {
  order.note_member(entry.node, entry.incarnation);
  emit(PeerJoined{entry.node, entry.nick, entry.incarnation});
}

/// A node is gone: its files are withdrawn, and the user is told.
void Node::State::note_left(mrt::Instant now, const RosterEntry& entry, GoneReason reason) {
  remove_holder(now, entry.node);
  transfer.on_peer_gone(now, entry.node);
  emit(PeerLeft{entry.node, entry.nick, to_leave_reason(reason)});
  roster_changed = true;
}

void Node::State::on_roster(mrt::Instant now, Link& link, const RosterUpdate& message) {
  const bool of_this_star = message.supernode == supernode && message.epoch >= epoch;
  if (!of_this_star || !is_in_reach(message.epoch)) {
    return violation(now, link, "a roster of another view");
  }
  if (roster.would_lose(message, self) || roster.would_lose(message, supernode)) {
    return violation(now, link, "a roster without us");
  }
  apply_roster(now, message);
}

void Node::State::apply_roster(mrt::Instant now, const RosterUpdate& message) {
  const bool rises = message.epoch > epoch;
  if (rises) {
    // The same supernode goes on in a new epoch: another star has joined.
    deliver(now);  // what came with this message lies before it
    epoch = message.epoch;
    order.enter_view(epoch, supernode, order.life(), order.last(), true, false);
    migration.on_view(now, epoch, by_rank());
  }
  const uint32_t old_rank = roster.find(self) ? roster.find(self)->rank : 0;
  const mrt::Duration old_pace = keep_alive_interval(self);
  const Roster::Change change = roster.apply(message);
  for (const auto& [entry, reason] : change.left) {
    // The whole list of a new supernode does not say why the one before is not in it.
    const bool said_goodbye =
        left_supernode == entry.node && coming_reason == MigrationReason::left;
    if (entry.node == self) continue;
    const GoneReason why = said_goodbye ? GoneReason::quit : reason;
    note_left(now, entry, why);
    arrivals.erase(entry.node);
    // Whoever leads next looks for the lost as this supernode does. But one to whom this node came
    // by itself may not know whom it left behind.
    const Link* up = uplink();
    const auto addresses = usable(entry.addresses, up && up->path.remote.is_loopback());
    if (why != GoneReason::lost) continue;
    const bool left_behind = !synced && came_by_itself;
    remember_lost(now, entry.node, addresses, left_behind ? meet_stragglers : meet_first);
    if (const auto it = lost.find(entry.node); left_behind && it != lost.end()) {
      it->second.is_mine = true;
    }
  }
  for (const RosterEntry& entry : change.joined) {
    if (entry.node == self) continue;
    if (link_by_node.contains(entry.node)) transfer.on_peer(entry.node);
    arrivals[entry.node] = now;
    note_joined(entry);
  }
  if (change.changed) roster_changed = true;
  if (const RosterEntry* mine = roster.find(self)) {
    nick = mine->nick;
    // The first successor says what it holds: others' word does not make anything stable, nor does
    // one of an epoch before.
    if (mine->rank == 1 && (old_rank != 1 || rises) && synced) {
      send_to(now, supernode, Holds{epoch, order.last()});
    }
  }
  const std::vector<NodeId> succession = by_rank();
  migration.on_succession(succession);
  note_elders(succession);
  if (keep_alive_interval(self) < old_pace) {
    next_beat = std::min(next_beat, now);
    next_silence_check = std::min(next_silence_check, now);
  }
  if (synced) keep_warm(now);
  if (!change.left.empty()) send_carried(now);
}

/// What came back before and comes once more, as where two stars become one, is not remembered;
/// whether it was said tells the signature.
bool Node::State::is_forged(const Ordered& message) const {
  const MessageId& id = message.id;
  const bool own = id.sender == self && id.incarnation == incarnation;
  return own && (order.is_forged(message) ||
                 (!order.is_pending(id.number) && !is_proven(message, config.network)));
}

void Node::State::on_ordered(mrt::Instant now, Link& link, const Ordered& message) {
  if (from_uplink(link)) {
    if (migration.has_parted()) return;
    if (message.place.epoch > epoch) return violation(now, link, "a place in an unknown epoch");
    // What was taken before (a resumed line overlaps) is passed over; a hole cannot be.
    if (message.place.seq <= order.last()) return;
    if (message.place.epoch < link.placed) return violation(now, link, "places go backwards");
    if (is_forged(message)) return violation(now, link, "says what this node did not say");
    if (!order.take(message)) return violation(now, link, "a hole in the order");
    link.placed = message.place.epoch;
    order.deliver_up_to(order.last());
    const RosterEntry* mine = roster.find(self);
    if (synced && mine && mine->rank == 1) send(now, link, Holds{epoch, order.last()});
  } else if (migration.filled_from() == link.peer && message.place.seq <= migration.filled_to()) {
    // Only from whom it was asked, and no more than that.
    if (message.place.epoch > epoch || message.place.seq.value != order.last().value + 1) return;
    if (is_forged(message)) return violation(now, link, "says what this node did not say");
    order.take(message);
    order.deliver_up_to(order.last());
    migration.on_filled(now, order.last());
  }
}

/// Alone and on the way to a star: what is said now is said there.
bool Node::State::waits_for_star(mrt::Instant now) const {
  return search && roster.size() == 1 && now < search->started + said_there_time;
}

/// Says what this supernode was not told yet, in its order: a later word would keep out an earlier
/// one. What cannot be said now waits in the order's pending messages.
void Node::State::say_pending(mrt::Instant now) {
  if (waits_for_star(now) || !migration.is_steady()) return;
  if (!is_supernode() && !(synced && uplink_id)) return;
  while (const Publish* next = order.pending_after(said)) {
    const Publish message = *next;
    said = message.number;
    if (is_supernode()) {
      if (epoch == Epoch{}) become_supernode(now, {1});  // the first word of one who is alone
      place(now, self, message);
    } else {
      send(now, *uplink(), message);
    }
  }
}

/// What was said and has not come back is said again: the supernode knows which it had.
void Node::State::send_pending(mrt::Instant now) {
  said = 0;
  say_pending(now);
  send_carried(now);
}

/// What others said on the side that this node left, where they cannot say it themselves: as the
/// supernode it gives that its places (spread()), as a member it says it.
void Node::State::send_carried(mrt::Instant now) {
  if (is_supernode() || !synced || !uplink_id || !migration.is_steady()) return;
  for (const auto& [key, message] : order.carried()) {
    if (!is_here(message.id)) send(now, *uplink(), Carried{message});
  }
}

void Node::State::on_tell(mrt::Instant now, Link& link, const Tell& message) {
  if (link.member && message.from != link.peer) return violation(now, link, "speaks as another");
  const auto answer = [&](bool delivered) {
    send(now, link, TellResult{message.from, message.to, message.number, delivered});
  };
  if (message.to == self) return answer(hear_tell(message));
  if (!is_supernode()) return;
  Link* to = link_to(message.to);
  if (to && to->member && to->outbox_bytes <= outbox_bytes_for_tells) {
    send(now, *to, message);
  } else {
    answer(false);
  }
}

/// What was meant for this life of this node, once, is told to the user.
bool Node::State::hear_tell(const Tell& message) {
  const RosterEntry* from = roster.find(message.from);
  if (!from || !tells.is_new(message.from, from->incarnation, message.number)) return false;
  auto text = open_tell(identity, incarnation, {from->key, from->incarnation}, message);
  if (!text) return false;
  tells.note_heard(message.from, from->incarnation, message.number);
  emit(TellDelivered{message.from, from->nick, std::move(*text)});
  return true;
}

void Node::State::on_tell_result(mrt::Instant now, Link& link, const TellResult& message) {
  if (link.member && message.to != link.peer) return violation(now, link, "answers for another");
  if (message.from != self) {
    Link* from = is_supernode() ? link_to(message.from) : nullptr;
    // As for a Tell: nobody is too slow for the network because of what another one says.
    const bool has_room = from && from->member && from->outbox_bytes <= outbox_bytes_for_results;
    if (has_room) send(now, *from, message);
    return;
  }
  const auto command = tells.end(message.number, message.to);
  if (!command) return;
  if (message.delivered) {
    emit(CommandDone{*command});
  } else {
    fail(*command, ErrorCode::not_found, "that node is not here any more");
  }
}

void Node::State::on_supernode_close(mrt::Instant now, Link& link, const SupernodeClose& message) {
  if (message.reason == CloseReason::merged) return follow_merge(now, link, message);
  if (!is_in_reach(message.epoch)) return violation(now, link, "claims an epoch out of reach");
  if (message.reason == CloseReason::lost || !roster.find(message.successor)) {
    return violation(now, link, "names a successor who is none");
  }
  if (message.epoch <= epoch) return;
  if (left_nodes.contains(now, message.successor)) {
    return drop_link(now, link.id, close_superseded, "its successor is not followed");
  }
  // The successor's Gather was quicker on its own connection: that is under way already. One who
  // only doubts awaits it as well, and has been told nothing by it yet.
  const bool doubts = migration.phase() == Migration::Phase::doubting;
  if (!doubts && message.successor == migration.awaited()) return;
  left_supernode = supernode;
  left_at = now;
  transfer.on_supernode(now, std::nullopt);
  coming_reason =
      message.reason == CloseReason::left ? MigrationReason::left : MigrationReason::handover;
  migration.on_close(now, message);
}

/// The star joins another one: its members go there by themselves.
void Node::State::follow_merge(mrt::Instant now, Link& link, const SupernodeClose& message) {
  if (search && coming_reason == MigrationReason::merged) return;  // on the way already
  const auto key = key_to_follow(network_key(), message.key);
  // It went where less is asked for than this node's user was promised, or for a password that
  // it was not given. Those who stay have lost their supernode.
  if (!key || left_nodes.contains(now, message.successor)) {
    return drop_link(now, link.id, close_superseded, "not followed to that star");
  }
  left_supernode = supernode;
  left_at = now;
  transfer.on_supernode(now, std::nullopt);
  coming_reason = MigrationReason::merged;
  JoinSearch wanted;
  if (*key != network_key()) wanted.key = key;
  wanted.targets = usable(message.addresses, link.path.remote.is_loopback());
  synced = false;
  start_join(now, std::move(wanted));
}

/// Whether this node has offered that, and not taken it back.
bool Node::State::offers_itself(const Offer& offer) const {
  return std::any_of(own_files.begin(), own_files.end(),
                     [&](const auto& own) { return own.second.offer == offer; });
}

/// The whole list of offers, from one who is followed anew: what differs is told.
void Node::State::on_standing_offers(mrt::Instant now, const StandingOffers& message) {
  if (synced || standing.size() + message.offers.size() > offers_max) return;
  standing.insert(standing.end(), message.offers.begin(), message.offers.end());
  if (!message.last) return;
  const std::vector<HeldOffer> offers = std::move(standing);
  standing.clear();
  unannounced.clear();
  std::set<std::tuple<NodeId, std::string, FileHash>> standing_now;
  for (const HeldOffer& held : offers) {
    if (!roster.find(held.holder) || (held.holder == self && !offers_itself(held.offer))) continue;
    standing_now.insert({held.holder, held.offer.name, held.offer.hash});
    add_offer(now, held.holder, held.offer);
  }
  for (const Offer& own : catalogue.offers_of(self)) {
    if (standing_now.contains({self, own.name, own.hash})) continue;
    if (offers_itself(own)) {
      unannounced.push_back(own);
    } else {
      remove_offer(now, self, own);
    }
  }
  for (const ListedFile& row : catalogue.listing()) {
    for (const NodeId& holder : row.holders) {
      // Own offers that the star does not know are announced once we are at work.
      if (holder != self && !standing_now.contains({holder, row.offer.name, row.offer.hash})) {
        remove_offer(now, holder, row.offer);
      }
    }
  }
}

}  // namespace node
