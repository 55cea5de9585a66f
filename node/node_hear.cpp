// SPDX-License-Identifier: MIT
//
// What neighbours say: messages cut out of the stream, how much of it is listened to, and who may
// say what (OVERLAY.md 9 has the table). What is said by somebody who may not say it is dropped,
// since it may have been true a moment ago; what no honest node says closes the connection.
#include <algorithm>
#include <array>

#include "node/node_state.h"

namespace node {

void Node::State::on_readable(mrt::Instant now, mrt::ConnectionId id, mrt::StreamId stream) {
  if (stream != mrt::first_stream) return;  // nobody writes to others: it stays unread
  std::array<uint8_t, 16 * 1024> buffer;
  while (hear(now, id)) {
    const size_t size = endpoint.read(now, id, stream, buffer);
    if (size == 0) return;
    links.at(id).reader.push(mrt::ByteView(buffer).first(size));
  }
}

/// Takes in what was read of a link; false where it is gone, or has to wait.
bool Node::State::hear(mrt::Instant now, mrt::ConnectionId id) {
  while (true) {
    const auto it = links.find(id);
    if (it == links.end()) return false;
    Link& link = it->second;
    if (must_wait(now, link)) return false;
    const auto bytes = link.reader.next();
    if (!bytes && !link.reader.failed()) return true;
    auto message = bytes ? decode(*bytes) : std::nullopt;
    if (!message) {
      violation(now, link, bytes ? "malformed message" : "message too long");
      return false;
    }
    if (is_limited(link)) link.limits.note(now, *message, bytes->size());
    if (link.limits.calls.is_spent(now)) {
      violation(now, link, "calls too often");
      return false;
    }
    on_message(now, id, *message);
  }
}

/// A supernode says what all others do, and a survivor all that the successor lacks.
bool Node::State::is_limited(const Link& link) const {
  return !from_uplink(link) && (link.peer.is_null() || link.peer != migration.filled_from());
}

/// Said too much: it is not read until later, and MRT's flow control holds it.
bool Node::State::must_wait(mrt::Instant now, const Link& link) {
  if (link.member && held_publishes.is_full()) {
    unread[link.id] = now + held_pause;
  } else if (is_limited(link) && link.limits.is_exceeded(now)) {
    unread[link.id] = link.limits.usable_at();
  } else {
    return false;
  }
  return true;
}

void Node::State::read_again(mrt::Instant now) {
  std::vector<mrt::ConnectionId> due;
  for (const auto& [id, when] : unread) {
    if (when <= now) due.push_back(id);
  }
  for (const mrt::ConnectionId id : due) {
    unread.erase(id);
    on_readable(now, id, mrt::first_stream);
  }
}

void Node::State::on_message(mrt::Instant now, mrt::ConnectionId id, Message& message) {
  Link& link = links.at(id);
  link.suspicion.on_heard(now);
  if (const auto* hello = std::get_if<Hello>(&message)) return on_hello(now, link, *hello);
  if (link.peer.is_null()) return violation(now, link, "no Hello first");
  // These answer what was asked, and look themselves for what that was.
  if (const auto* welcome = std::get_if<Welcome>(&message)) return on_welcome(now, link, *welcome);
  if (const auto* there = std::get_if<Redirect>(&message)) return on_redirect(now, link, *there);
  if (const auto* refuse = std::get_if<Refuse>(&message)) return on_refuse(now, link, *refuse);
  if (const auto* placed = std::get_if<Ordered>(&message)) return on_ordered(now, link, *placed);
  if (from_uplink(link) || link.member) {
    if (const auto* tell = std::get_if<Tell>(&message)) return on_tell(now, link, *tell);
    if (const auto* told = std::get_if<TellResult>(&message))
      return on_tell_result(now, link, *told);
  }
  // A change of supernode is the members' affair, and strangers have no voice in it.
  if (roster.find(link.peer) && on_migration_message(now, link, message)) return;
  if (from_uplink(link)) {
    on_uplink_message(now, link, message);
  } else if (link.member) {
    on_member_message(now, link, message);
  }
}

/// True where it was one.
bool Node::State::on_migration_message(mrt::Instant now, Link& link, const Message& message) {
  if (const auto* suspect = std::get_if<Suspect>(&message)) {
    migration.on_suspect(now, link.peer, *suspect);
  } else if (const auto* gather = std::get_if<Gather>(&message)) {
    on_gather(now, link, *gather);
  } else if (const auto* survivor = std::get_if<Survivor>(&message)) {
    if (!is_sound(*survivor)) {
      violation(now, link, "has pending what nobody says");
      return true;
    }
    const bool of_namesake = survivor->epoch == epoch && survivor->supernode == supernode &&
                             survivor->life != order.life();
    if (!of_namesake) migration.on_survivor(now, link.peer, *survivor, order.last());
  } else if (const auto* want = std::get_if<Want>(&message)) {
    on_want(now, link, *want);
  } else {
    return false;
  }
  return true;
}

void Node::State::on_uplink_message(mrt::Instant now, Link& link, const Message& message) {
  if (migration.has_parted()) return;
  if (const auto* m = std::get_if<RosterUpdate>(&message)) return on_roster(now, link, *m);
  if (const auto* m = std::get_if<StandingOffers>(&message)) return on_standing_offers(now, *m);
  if (const auto* m = std::get_if<Ready>(&message)) return on_ready(now, link, *m);
  if (const auto* m = std::get_if<SupernodeClose>(&message)) {
    return on_supernode_close(now, link, *m);
  }
  if (const auto* m = std::get_if<Stable>(&message)) {
    stable = std::max(stable, std::min(m->seq, order.delivered()));
    return;
  }
  if (const auto* m = std::get_if<Introduce>(&message)) return on_introduced(now, link, *m);
  if (const auto* m = std::get_if<MergeFailed>(&message)) {
    const auto it = merges.find(m->number);
    if (it == merges.end()) return;
    fail(it->second, m->auth ? ErrorCode::auth : ErrorCode::unreachable, m->reason);
    merges.erase(it);
  }
}

void Node::State::on_member_message(mrt::Instant now, Link& link, const Message& message) {
  if (const auto* m = std::get_if<Publish>(&message)) return on_publish(now, link, *m);
  if (const auto* m = std::get_if<Carried>(&message)) return on_carried(now, link, m->message);
  if (const auto* m = std::get_if<Merge>(&message)) return on_merge(now, link, *m);
  if (const auto* m = std::get_if<Introduce>(&message)) return on_introduction_asked(now, link, *m);
  if (const auto* m = std::get_if<Reachable>(&message)) return on_reachable(now, link, *m);
  if (std::get_if<Leave>(&message)) return remove_member(now, link.peer, GoneReason::quit);
  if (const auto* m = std::get_if<Holds>(&message)) {
    if (m->epoch != epoch) return;
    const Seq before = link.holds;
    link.holds = std::max(link.holds, std::min(m->seq, order.last()));
    if (link.holds > before && link.id == holds_awaited) holds_due = mrt::never;
    advance_stable(now);
  }
}

void Node::State::on_hello(mrt::Instant now, Link& link, const Hello& hello) {
  const bool first = link.peer.is_null();
  const bool proven = config.endpoint.plain || endpoint.peer_key(link.id) == hello.key;
  const bool same =
      first || (hello.node == link.peer && hello.incarnation == link.hello.incarnation);
  if (!proven || !same) return violation(now, link, "says that it is another");
  if (hello.node == self) return drop_link(now, link.id, close_unneeded, "this is oneself");
  link.hello = hello;
  if (hello.addresses != link.reach.addresses) link.reach = {hello.addresses};
  if (first && !claim_peer(now, link, hello.node)) return;
  // Two who called each other (simultaneous RCON) have both said what they want, unless this side
  // waits with its question: before Hello nothing else may be said.
  if (!link.greeted) say_hello(now, link, Purpose::answer);
  if (banned.contains(hello.node)) {
    send(now, link, Refuse{RefuseCode::banned, "the supernode refuses this node"});
    return drop_link(now, link.id, close_removed, "refused by the supernode");
  }
  migration.note_epoch(std::min(hello.epoch, Epoch{epoch.value + epoch_leap_max}));
  if (!migration.is_steady()) note_new_lives(now);
  switch (hello.purpose) {
    case Purpose::join: {
      const auto id = link.id;
      on_join_request(now, link);
      // One that was here on another connection, and is not taken in on this one, is none of ours.
      const auto it = links.find(id);
      if (it != links.end() && !it->second.member && counts(it->second)) {
        remove_member(now, hello.node, GoneReason::lost);
      }
      return;
    }
    case Purpose::meet:
      send(now, link,
           Redirect{epoch, supernode, addresses_of(supernode, link.path.remote.is_loopback()),
                    told_key(network_key())});
      break;
    case Purpose::warm:
    case Purpose::answer:
      // Members hear of new views before their supernode says so: that is no other star. And who
      // was asked to meet says where its star is in a Redirect.
      if (!is_supernode() || link.asks == Purpose::meet) return;
      break;
  }
  // For whatever reason somebody is met: two stars that know of each other become one.
  if (hello.network == config.network) {
    consider_other_star(now, hello.epoch, hello.supernode, {link.path.remote});
  }
}

/// It broke a rule of OVERLAY.md: nothing that it says is listened to any more, and one that was
/// followed, or was to be, is not followed again.
void Node::State::violation(mrt::Instant now, Link& link, const char* what) {
  const bool leads = from_uplink(link) || migration.awaited() == link.peer ||
                     (search && link.asks == Purpose::join);
  if (leads && !link.peer.is_null()) left_nodes.add(now, link.peer);
  emit(Noted{"closing " + link.path.remote.to_string() + ": " + what});
  drop_link(now, link.id, close_violation, what);
}

}  // namespace node
