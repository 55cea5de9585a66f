// SPDX-License-Identifier: MIT
//
// Connections of a node: opening and closing them, who is at the other end, and messages written
// into the stream.
#include <algorithm>
#include <utility>

#include "node/node_state.h"

namespace node {

Link* Node::State::link_to(const NodeId& node) {
  const auto it = link_by_node.find(node);
  return it == link_by_node.end() ? nullptr : &links.at(it->second);
}

const Link* Node::State::link_to(const NodeId& node) const {
  const auto it = link_by_node.find(node);
  return it == link_by_node.end() ? nullptr : &links.at(it->second);
}

Link* Node::State::uplink() { return uplink_id ? &links.at(*uplink_id) : nullptr; }

/// Where what goes to that address comes from.
std::optional<mrt::Address> Node::State::socket_for(const mrt::Address& address) const {
  const auto socket =
      std::find_if(config.sockets.begin(), config.sockets.end(), [&](const mrt::Address& local) {
        // A socket bound to loopback reaches nothing else.
        return local.is_v4() == address.is_v4() && (!local.is_loopback() || address.is_loopback());
      });
  return socket == config.sockets.end() ? std::nullopt : std::optional(*socket);
}

/// A connection to an address, new or the one there is, that asks for `purpose`.
Link* Node::State::open_link(mrt::Instant now, const mrt::Address& address, Purpose purpose,
                             const std::optional<mrt::NetworkKey>& key) {
  const auto socket = socket_for(address);
  return socket ? open_link_on(now, {*socket, address}, purpose, key) : nullptr;
}

Link* Node::State::open_link_on(mrt::Instant now, const mrt::Path& wanted, Purpose purpose,
                                const std::optional<mrt::NetworkKey>& key) {
  mrt::Path path = wanted;
  const mrt::Address& address = path.remote;
  // An address of this host is reached from that very address.
  const auto own = std::find_if(config.addresses.begin(), config.addresses.end(),
                                [&](const mrt::Address& a) { return a.ip == address.ip; });
  if (own != config.addresses.end() && path.local.is_unspecified()) path.local.ip = own->ip;
  auto id = endpoint.connect(now, path, key);
  const auto known = id ? links.find(*id) : links.end();
  const bool is_unheard = known != links.end() && unheard_at(known->second) <= now;
  if (is_unheard || (id && leaving.contains(*id))) {
    hang_up(now, *id);
    id = endpoint.connect(now, path, key);
  }
  if (!id) return nullptr;
  Link& link = links.try_emplace(*id, now, *id, path, true).first->second;
  if (link.connected) {
    // Where many name one and the same, it is asked once: its answer is under way.
    const bool is_asked = purpose == Purpose::meet && link.asks == Purpose::meet;
    if (!is_asked) say_hello(now, link, purpose);
  } else if (!link.asks || *link.asks != Purpose::join) {
    link.asks = purpose;
  }
  return &link;
}

/// One that has met nobody and heard nothing misses nothing, and tells none.
bool Node::State::has_line() const { return had_company || order.last() > Seq{}; }

/// Whether that is where a question of now would be asked.
bool Node::State::is_in(const ViewMark& view) const {
  return has_line() ? order.is_in(view) : view == ViewMark{};
}

void Node::State::say_hello(mrt::Instant now, Link& link, Purpose purpose) {
  if (purpose != Purpose::answer) {
    link.asks = purpose;
    if (unheard_at(link) == mrt::never) link.asked_at = now;
    link.welcome_due |= purpose == Purpose::join;
  }
  link.greeted = true;
  Hello hello;
  hello.purpose = purpose;
  hello.network = config.network;
  hello.node = self;
  hello.incarnation = incarnation;
  hello.nick = config.nick;
  hello.epoch = epoch;
  hello.supernode = supernode;
  if (has_line()) hello.line = order.line();
  hello.star_size = static_cast<uint32_t>(is_supernode() ? roster.size() : 1);
  hello.history = static_cast<uint32_t>(std::min(config.history, tail_messages_max));
  hello.addresses = config.addresses;
  if (hello.addresses.size() > addresses_max) hello.addresses.resize(addresses_max);
  hello.key = identity.public_key();
  if (hello.addresses != link.said.addresses) link.said = {hello.addresses};
  send(now, link, hello);
}

void Node::State::enqueue(Link& link, const Message& message) {
  enqueue(link, encode_framed(message));
}

void Node::State::enqueue(Link& link, mrt::Bytes framed) {
  link.outbox_bytes += framed.size();
  link.outbox.push_back(std::move(framed));
  if (link.outbox_bytes > outbox_bytes_max) slow.insert(link.id);
}

/// Closes connections that do not take what is sent.
void Node::State::drop_slow(mrt::Instant now) {
  for (const mrt::ConnectionId id : std::exchange(slow, {})) {
    const auto it = links.find(id);
    if (it == links.end()) continue;
    const Link& link = it->second;
    const bool holds_up = successor_link() == &link && id == holds_awaited && holds_due <= now;
    if (link.outbox_bytes > outbox_bytes_max || holds_up)
      drop_link(now, id, close_removed, "too slow");
  }
}

void Node::State::send(mrt::Instant now, Link& link, const Message& message) {
  enqueue(link, message);
  flush_link(now, link);
}

bool Node::State::send_to(mrt::Instant now, const NodeId& node, const Message& message) {
  Link* link = link_to(node);
  if (!link) return false;
  send(now, *link, message);
  return true;
}

/// Writes what waits: control messages first, then placed broadcasts up to the link's cursor.
void Node::State::flush_link(mrt::Instant now, Link& link) {
  if (!link.connected) return;
  while (true) {
    while (!link.outbox.empty()) {
      const mrt::ByteView rest = mrt::ByteView(link.outbox.front()).subspan(link.outbox_offset);
      const size_t taken = endpoint.write(now, link.id, mrt::first_stream, rest);
      link.outbox_offset += taken;
      if (taken < rest.size()) return;
      link.outbox_bytes -= link.outbox.front().size();
      link.outbox.pop_front();
      link.outbox_offset = 0;
    }
    if (!link.member) return;
    if (link.ready_after && link.cursor >= *link.ready_after) {
      enqueue(link, Ready{epoch, *link.ready_after});
      link.ready_after.reset();
      continue;
    }
    const auto next = order.next_after(link.cursor);
    if (!next) return;
    if (next->first.value != link.cursor.value + 1) {
      // It was slower than the tail is long: it comes in anew, and is told of the gap.
      sync_member(now, link, {true, {next->first.value - 1}});
      return;
    }
    if (endpoint.send_room(link.id) < next->second->size()) {
      // Refused in part, so that Writable tells when to go on.
      enqueue(link, *next->second);
    } else {
      endpoint.write(now, link.id, mrt::first_stream, *next->second);
    }
    link.cursor = next->first;
    // It says what it holds once all has come: as long as it takes that, nothing is due.
    if (link.ready_after && link.id == holds_awaited) holds_due = mrt::never;
  }
}

/// Closes a connection and forgets it at once: what it was for is the caller's to mend.
void Node::State::drop_link(mrt::Instant now, mrt::ConnectionId id, mrt::CloseCode code,
                            const char* reason) {
  // What was said last (a Refuse, SCLS, a Redirect) is to arrive before the close does.
  leaving.insert(id);
  endpoint.close_when_sent(now, id, code, reason, std::chrono::milliseconds(500));
  mrt::Closed closed{id, code, false, reason};
  on_closed(now, closed);
}

/// Closes a connection over which nothing would be heard, so that its node can be called anew.
void Node::State::hang_up(mrt::Instant now, mrt::ConnectionId id) {
  leaving.erase(id);
  endpoint.close(now, id, close_unneeded, "called anew");
  on_closed(now, {id, close_unneeded, false, "called anew"});
}

/// When a link counts as unheard: it may be to a life that is gone, whose host answers nothing that
/// can be believed, and looks open until its idle timeout. A member's silence is check_silence()'s.
mrt::Instant Node::State::unheard_at(const Link& link) const {
  if (link.member || link.asked_at == mrt::never) return mrt::never;
  const auto stats = endpoint.stats(link.id);
  return stats && stats->last_received <= link.asked_at ? link.asked_at + unheard_max : mrt::never;
}

void Node::State::on_connection_event(mrt::Instant now, mrt::Event& event) {
  if (const auto* connected = std::get_if<mrt::Connected>(&event)) {
    const mrt::ConnectionId id = connected->connection;
    // What nodes say goes ahead of files' chunks, and is repeated where packets are lost.
    endpoint.set_priority(id, mrt::first_stream, mrt::Priority::interactive);
    on_connected(now, links.try_emplace(id, now, id, mrt::Path{}, false).first->second);
  } else if (const auto* readable = std::get_if<mrt::Readable>(&event)) {
    on_readable(now, readable->connection, readable->stream);
  } else if (const auto* writable = std::get_if<mrt::Writable>(&event)) {
    const auto it = links.find(writable->connection);
    if (it == links.end()) return;
    flush_link(now, it->second);
    if (!it->second.peer.is_null()) transfer.on_writable(now, it->second.peer);
  } else if (auto* message = std::get_if<mrt::MessageReceived>(&event)) {
    const auto it = links.find(message->connection);
    if (it == links.end() || !is_file_message(message->bytes)) return;
    Link& link = it->second;
    const bool is_fellow = !is_supernode() && roster.find(link.peer);
    if (link.member || from_uplink(link) || is_fellow)
      transfer.on_message(now, link.peer, std::move(message->bytes));
    else
      refuse_fetch(now, link, message->bytes);
  } else if (const auto* datagram = std::get_if<mrt::DatagramReceived>(&event)) {
    const auto it = links.find(datagram->connection);
    if (it == links.end()) return;
    const auto beat = decode(datagram->bytes);
    if (!beat || !std::holds_alternative<Heartbeat>(*beat)) return;
    on_heartbeat(now, it->second, std::get<Heartbeat>(*beat));
  } else if (const auto* moved = std::get_if<mrt::PathChanged>(&event)) {
    const auto it = links.find(moved->connection);
    if (it == links.end()) return;
    const mrt::Path before = std::exchange(it->second.path, moved->path);
    if (uplink_id == it->first) supernode_at = moved->path.remote;
    on_member_moved(now, it->second, before.remote);
    roster_changed = true;
  } else if (const auto* closed = std::get_if<mrt::Closed>(&event)) {
    leaving.erase(closed->connection);
    on_closed(now, *closed);
  } else if (const auto* opening = std::get_if<mrt::OpeningHeard>(&event)) {
    on_opening(now, opening->path.remote);
  } else if (auto* keys = std::get_if<mrt::KeysLogged>(&event)) {
    emit(KeysLogged{std::move(keys->line)});
  }
}

void Node::State::on_connected(mrt::Instant now, Link& link) {
  link.connected = true;
  if (const auto stats = endpoint.stats(link.id)) link.path = stats->path;
  link.suspicion = Suspicion(now);
  if (ports.search.seeks(link.path.remote)) end_port_search();
  if (!link.outgoing || !link.asks) return;
  if (search && link.asks == Purpose::join) {
    search->waiting.insert(link.id);
    if (search->ask_next_at <= now) ask_next(now);
  } else {
    say_hello(now, link, *link.asks);
  }
}

/// The link's other end is known now. Of two links to one node one stays: the newer where one
/// side opened both, else that of the node with the lower id. False where this one goes.
bool Node::State::claim_peer(mrt::Instant now, Link& link, const NodeId& peer) {
  link.peer = peer;
  const auto it = link_by_node.find(peer);
  if (it != link_by_node.end() && it->second != link.id) {
    Link& other = links.at(it->second);
    const bool same_life = other.hello.incarnation == link.hello.incarnation;
    const bool opposite = other.outgoing != link.outgoing;
    const NodeId& keeper = self < peer ? self : peer;
    const bool keep_other = same_life && opposite && (other.outgoing ? self : peer) == keeper &&
                            link.hello.purpose != Purpose::join && link.asks != Purpose::join;
    if (keep_other) {
      link.peer = {};
      drop_link(now, link.id, close_unneeded, "there is another connection");
      return false;
    }
    const mrt::ConnectionId old = other.id;
    // Who calls anew and does not ask to be a member any more is none.
    const bool stays = same_life && link.hello.purpose == Purpose::join;
    const bool was_member = other.member && !stays;
    const auto kept = link.id;
    other.peer = {};  // the node stays, only this connection goes
    link_by_node.erase(it);
    if (was_member) remove_member(now, peer, GoneReason::lost);
    transfer.on_peer_gone(now, peer);  // what was asked for over that one has no answer
    drop_link(now, old, close_unneeded, "replaced");
    if (!links.contains(kept)) return false;
  }
  link_by_node[peer] = link.id;
  transfer.on_peer(peer);
  note_path(now, peer);
  return true;
}

/// The path to somebody may have become direct, or does not exist any more. The user hears of it,
/// but of many who call at once, as a first successor is called by all, only once a second.
void Node::State::note_path(mrt::Instant now, const NodeId& node) {
  if (roster.find(node))
    paths_due = std::min(paths_due, std::max(now + roster_delay, roster_told + paths_pause));
}

void Node::State::on_closed(mrt::Instant now, const mrt::Closed& closed) {
  const auto it = links.find(closed.connection);
  if (it == links.end()) return;
  const Link link = std::move(it->second);
  links.erase(it);
  unread.erase(link.id);
  if (link.unproven > 0) {
    emit(Noted{link.hello.nick + " carried " + std::to_string(link.unproven) +
               " that were not signed by their senders"});
  }
  const bool was_uplink = uplink_id == link.id;
  if (was_uplink) uplink_id.reset();
  const auto by_node = link_by_node.find(link.peer);
  const bool was_only = by_node != link_by_node.end() && by_node->second == link.id;
  if (was_only) {
    link_by_node.erase(by_node);
    transfer.on_peer_gone(now, link.peer);
  }
  if (quitting) return stop_if_all_said(now);
  if (search) on_join_link_closed(now, link, closed);
  // While the role is being handed over members go to the next supernode: that is no loss.
  if ((link.member || counts(link)) && was_only && migration.is_steady()) {
    const bool superseded = closed.by_peer && closed.code == close_superseded;
    if (superseded) doubt_epoch(now);
    // Also one that gave its question up before it knew that it was let in.
    const bool lives_on = superseded || (closed.by_peer && closed.code == close_unneeded);
    if (closed.by_peer ? lives_on : closed.code < mrt::CloseCode::application) {
      auto addresses = addresses_of(link.peer, true);
      addresses.insert(addresses.begin(), link.path.remote);
      remember_lost(now, link.peer, std::move(addresses),
                    superseded ? mrt::Duration{} : meet_first);
    }
    remove_member(now, link.peer, closed.code == close_quit ? GoneReason::quit : GoneReason::lost);
  } else if (was_uplink) {
    if (closed.by_peer && (closed.code == close_removed || closed.code == close_superseded)) {
      rejoin(now);  // it lives, and has gone on without us
    } else {
      migration.on_silent(now, supernode);
    }
  } else if (was_only && !migration.is_steady()) {
    migration.on_silent(now, link.peer);
  }
  if (was_only) note_path(now, link.peer);
}

std::vector<mrt::Address> Node::State::usable(const std::vector<mrt::Address>& addresses,
                                              bool from_loopback) const {
  std::vector<mrt::Address> out;
  for (const mrt::Address& address : addresses) {
    // A loopback address means something only to one on the same host.
    if (!address.is_unicast() || (address.is_loopback() && !from_loopback)) continue;
    if (std::find(out.begin(), out.end(), address) == out.end()) out.push_back(address);
    if (out.size() == addresses_max) break;
  }
  return out;
}

/// Where a node can be reached, best first, for one who is on this host or not.
std::vector<mrt::Address> Node::State::addresses_of(const NodeId& node, bool for_loopback) const {
  std::vector<mrt::Address> all;
  if (node == self) {
    all = config.addresses;
  } else {
    if (const Link* link = link_to(node)) all.push_back(link->path.remote);
    if (node == supernode) all.push_back(supernode_at);
    if (const RosterEntry* entry = roster.find(node)) {
      all.insert(all.end(), entry->addresses.begin(), entry->addresses.end());
    }
  }
  return usable(all, for_loopback);
}

}  // namespace node
