// SPDX-License-Identifier: MIT
//
// Changing the supernode: what the migration machine decides is carried out here.
#include <algorithm>
#include <utility>

#include "node/node_state.h"

namespace node {

void Node::State::run_migration(mrt::Instant now) {
  if (!migration.is_steady()) {
    note_crisis(now);
  } else if (left_supernode == supernode && synced && uplink_id) {
    crisis_passed(now);
  }
  while (auto action = migration.poll_action()) {
    std::visit([&](const auto& a) { carry_out(now, a); }, *action);
  }
}

/// The supernode that is being left, for the Migrated event; the first word of it counts.
void Node::State::note_crisis(mrt::Instant now) {
  if (left_supernode) return;
  left_supernode = supernode;
  left_at = migration.is_steady() ? now : migration.began();
  transfer.on_supernode(now, std::nullopt);
  // Warm connections were quiet: only from now on does their silence say something.
  for (auto& [id, link] : links) {
    if (uplink_id != id) link.suspicion.forgive(now);
  }
  next_beat = now;
  next_silence_check = std::min(next_silence_check, now + keep_alive_min);
  note_new_lives(now);
}

/// Who says Hello in another life than the roster's has died in this view: it is not waited for.
void Node::State::note_new_lives(mrt::Instant now) {
  std::vector<NodeId> dead;
  for (const auto& [node, id] : link_by_node) {
    const RosterEntry* entry = roster.find(node);
    if (entry && entry->incarnation != links.at(id).hello.incarnation) dead.push_back(node);
  }
  for (const NodeId& node : dead) migration.on_silent(now, node);
}

/// The supernode is heard again before anybody took its place.
void Node::State::crisis_passed(mrt::Instant now) {
  left_supernode.reset();
  if (search && search->command == CommandId{}) end_join(now, std::nullopt);
  transfer.on_supernode(now, supernode);
  send_pending(now);
}

/// One who gathers says that the supernode is gone: whoever hears it knows better.
void Node::State::on_gather(mrt::Instant now, Link& link, const Gather& message) {
  if (!is_in_reach(message.epoch)) return violation(now, link, "claims an epoch out of reach");
  if (left_nodes.contains(now, link.peer)) return;
  const Link* up = uplink();
  const auto stats = up ? endpoint.stats(up->id) : std::nullopt;
  migration.on_gather(now, link.peer, message, word_wait(stats ? stats->rtt : mrt::Duration{}));
}

void Node::State::carry_out(mrt::Instant now, const Migration::AskWord&) { beat(now); }

void Node::State::listen_for_word(mrt::Instant now) {
  const Link* up = uplink();
  const auto stats = up ? endpoint.stats(up->id) : std::nullopt;
  if (stats) migration.on_word(std::min(now, stats->last_received));
}

void Node::State::carry_out(mrt::Instant now, const Migration::SendSuspect& action) {
  if (action.message.silent.empty()) {
    send_to(now, action.to, action.message);
    return;
  }
  if (left_nodes.contains(now, action.to)) return migration.on_silent(now, action.to);
  emit(Noted{"the supernode is silent: asking a successor"});
  // Without a connection to it nothing is known of it: everybody is asked.
  if (!send_to(now, action.to, action.message)) rejoin(now);
}

static MigrationReason to_migration_reason(CloseReason reason) {
  switch (reason) {
    case CloseReason::left:
      return MigrationReason::left;
    case CloseReason::handover:
      return MigrationReason::handover;
    case CloseReason::merged:
      return MigrationReason::merged;
    case CloseReason::lost:
      return MigrationReason::lost;
  }
  return MigrationReason::lost;
}

void Node::State::carry_out(mrt::Instant now, const Migration::SendGather& action) {
  // One that is not connected comes by itself: it looks for us as we for it.
  send_to(now, action.to, action.message);
}

void Node::State::carry_out(mrt::Instant now, const Migration::SendSurvivor& action) {
  coming_reason = to_migration_reason(migration.reason());
  deliver(now);
  Survivor answer{action.next,       epoch, supernode, order.life(), order.delivered(),
                  order.held_from(), {}};
  size_t bytes = 0;
  for (const Publish& pending : order.pending()) {
    bytes += pending.body.size();
    if (answer.pending.size() == early_messages_max || bytes > early_bytes_max) break;
    answer.pending.push_back(pending);
  }
  if (Link* link = link_to(action.to)) {
    link->welcome_due = true;
    send(now, *link, answer);
  } else {
    rejoin(now);
  }
}

void Node::State::carry_out(mrt::Instant now, const Migration::SendWant& action) {
  if (!send_to(now, action.to, action.message)) migration.on_silent(now, action.to);
}

void Node::State::carry_out(mrt::Instant now, const Migration::Begin& action) {
  begin_view(now, action);
}

void Node::State::carry_out(mrt::Instant now, const Migration::Rejoin&) { rejoin(now); }

void Node::State::carry_out(mrt::Instant now, const Migration::Release& action) {
  for (const NodeId& node : action.survivors) {
    if (const Link* link = link_to(node)) {
      drop_link(now, link->id, close_superseded, "it was gathered, and comes from a view before");
    }
  }
}

void Node::State::on_want(mrt::Instant now, Link& link, const Want& message) {
  // Only whom this node would follow may ask, once at a time, and only for what is held.
  if (migration.awaited() != link.peer || message.from == Seq{} || link.outbox_bytes > 0) return;
  for (Seq at{message.from.value - 1}; at < message.to;) {
    const auto next = order.next_after(at);
    if (!next || next->first > message.to) break;
    enqueue(link, *next->second);
    at = next->first;
  }
  flush_link(now, link);
}

/// The gathering is over: this node is the supernode of those who answered.
void Node::State::begin_view(mrt::Instant now, const Migration::Begin& begin) {
  if (search) end_join(now, std::nullopt);
  // Whose connection broke after it had answered has to come again, and so has one that lives anew.
  std::map<NodeId, Survivor> survivors = begin.survivors;
  std::erase_if(survivors, [this](const auto& one) {
    const Link* link = link_to(one.first);
    const RosterEntry* entry = roster.find(one.first);
    return !link || !entry || link->hello.incarnation != entry->incarnation;
  });
  std::vector<RosterEntry> gone;
  for (const auto& [node, entry] : roster.entries()) {
    if (node != self && !survivors.contains(node)) gone.push_back(entry);
  }
  const bool was_local = supernode_at.is_loopback();
  const std::map<NodeId, RosterEntry> before = roster.entries();
  const Link* up = uplink();
  const mrt::ConnectionId old_uplink =
      up && !survivors.contains(up->peer) ? up->id : mrt::ConnectionId{};
  order.deliver_up_to(order.last());
  deliver(now);
  // Ranks go on as they were: who was next is next.
  for (const auto& [node, entry] : before) {
    if (Link* link = link_to(node)) link->joined = entry.rank;
    joined_count = std::max<uint64_t>(joined_count, entry.rank);
  }
  for (auto& [id, link] : links) {
    link.member = survivors.contains(link.peer);
    link.carries = link.member;
    link.came_after = {};
  }
  const NodeId old = supernode;
  for (const RosterEntry& entry : gone) {
    const auto addresses = addresses_of(entry.node, was_local);
    const bool said_goodbye = entry.node == old && coming_reason == MigrationReason::left;
    roster.remove(entry.node, said_goodbye ? GoneReason::quit : GoneReason::lost);
    note_left(now, entry, said_goodbye ? GoneReason::quit : GoneReason::lost);
    if (!said_goodbye) remember_lost(now, entry.node, addresses, meet_first);
  }
  become_supernode(now, begin.epoch);
  if (links.contains(old_uplink)) {
    drop_link(now, old_uplink, close_superseded, "another supernode has begun");
  }
  for (const auto& [node, answer] : survivors) {
    Link* link = link_to(node);
    if (!link) continue;  // it did not take what was said to the others
    const ViewMark mark{answer.epoch, answer.supernode, answer.life, answer.delivered};
    // One whose view is not of this line (its supernode had just joined another) is told all.
    const auto from = order.resume_point({mark}, tail_messages_max);
    sync_member(now, *link, from, true);
    // What it heard beyond and had said itself it says again, and that comes first.
    if (!from.resumed || from.after != answer.delivered) continue;
    for (const Publish& pending : answer.pending) {
      if (pending.incarnation == link->hello.incarnation) held_publishes.push(node, pending);
    }
  }
  view_works(now, coming_reason);
  send_pending(now);
  announce_missing(now);
}

/// This node works again after its supernode had changed.
void Node::State::view_works(mrt::Instant now, MigrationReason reason) {
  if (left_supernode && *left_supernode != supernode) {
    const bool by_itself = !is_supernode() && came_by_itself;
    emit(Migrated{*left_supernode, supernode, epoch, reason, now - left_at, by_itself});
  }
  if (hand_over_command && is_supernode()) {
    fail(*hand_over_command, ErrorCode::unreachable, "the successor did not take over");
  } else if (hand_over_command) {
    emit(CommandDone{*hand_over_command});
  }
  hand_over_command.reset();
  for (const auto& [number, command] : std::exchange(merges, {})) {
    if (reason == MigrationReason::merged) {
      emit(JoinDone{command});
    } else {
      fail(command, ErrorCode::unreachable, "the supernode changed before the stars were one");
    }
  }
  for (const CommandId command : tells.give_up()) {
    fail(command, ErrorCode::unreachable, "the supernode changed: it may not have arrived");
  }
  left_supernode.reset();
  coming_reason = MigrationReason::lost;
  roster_changed = true;
  emit_role();
}

/// Nobody is left, or nobody could be reached: a star of one.
void Node::State::found_alone(mrt::Instant now) {
  if (search) search.reset();
  coming_reason = MigrationReason::lost;
  begin_view(now, {{std::max(epoch, migration.epoch_seen()).value + 1}, {}});
}

}  // namespace node
