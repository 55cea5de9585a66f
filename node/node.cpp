// SPDX-License-Identifier: MIT
#include "node/node.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/node_state.h"

namespace node {

/// The endpoint's part of the configuration: the network's name, and no key where nothing is
/// encrypted and whoever calls is admitted.
static NodeConfig with_network(NodeConfig config) {
  config.endpoint.network = config.network;
  if (config.endpoint.plain) config.endpoint.network_key = {};
  return config;
}

Node::State::State(mrt::Instant now, const NodeConfig& node_config, const mrt::Random::Seed& seed)
    : config(with_network(node_config)),
      identity(config.endpoint.identity),
      self(node_id_of(identity.public_key())),
      random(seed),
      incarnation{random.u64()},
      nick(config.nick),
      endpoint(config.endpoint, random.fork()),
      stun_port(config.sockets, config.seconds),
      supernode(self),
      order(self, incarnation),
      migration(self),
      transfer(self) {
  CHECK(network_key().secret.size() <= secret_bytes_max ||
        network_key().access != mrt::Access::secret);
  reach_told = own_reach();
  roster.put({self, incarnation, nick, reach_told.addresses, 0, 0, identity.public_key()});
  transfer.on_supernode(now, self);
  if (config.awaits_rendezvous || !config.rendezvous.empty()) {
    // Without servers nothing is drawn: the same seed is the same run.
    rendezvous.emplace(stun::RendezvousClientConfig{config.rendezvous, self.bytes}, random.fork());
  }
  if (config.host) become_supernode(now, {1});
  emit_role();
  roster_changed = true;
}

Node::Node(mrt::Instant now, const NodeConfig& config, const mrt::Random::Seed& seed)
    : state_(std::make_unique<State>(now, config, seed)) {
  state_->after_input(now);
}

Node::~Node() = default;

void Node::on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                        mrt::MutableBytes bytes) {
  state_->note_stall(now);
  state_->on_datagrams(now, path, ecn, segment_size, bytes);
  state_->after_input(now);
}

void Node::on_timeout(mrt::Instant now) {
  state_->note_stall(now);
  state_->endpoint.on_timeout(now);
  state_->on_timers(now);
  state_->after_input(now);
}

void Node::on_file_result(mrt::Instant now, const FileResult& result) {
  state_->transfer.on_result(now, result);
  state_->after_input(now);
}

std::optional<mrt::Transmit> Node::poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) {
  state_->note_stall(now);
  if (const auto batch = state_->stun_port.poll_transmit(now, buffer)) return batch;
  if (state_->rendezvous) {
    if (const auto batch = state_->rendezvous->poll_transmit(now, buffer)) return batch;
  }
  auto batch = state_->endpoint.poll_transmit(now, buffer);
  if (!batch) state_->awake_until = std::max(now, state_->compute_timeout());
  return batch;
}

std::optional<Event> Node::poll_event() {
  if (state_->events.empty()) return std::nullopt;
  Event event = std::move(state_->events.front());
  state_->events.pop_front();
  return event;
}

mrt::Instant Node::next_timeout() const { return state_->compute_timeout(); }

mrt::Duration Node::take_patience() { return state_->endpoint.take_patience(); }

Role Node::role() const { return state_->role(); }
Epoch Node::epoch() const { return state_->epoch; }
NodeId Node::id() const { return state_->self; }
Incarnation Node::life() const { return state_->incarnation; }
const mrt::NetworkKey& Node::network_key() const { return state_->network_key(); }
const std::string& Node::nick() const { return state_->nick; }
NodeId Node::supernode() const { return state_->supernode; }
std::vector<Peer> Node::peers() const { return state_->peers(); }
bool Node::is_consistent() const { return state_->is_consistent(); }

std::vector<FileRow> Node::files() const {
  std::vector<FileRow> out;
  for (const ListedFile& row : state_->catalogue.listing()) {
    out.push_back({row.offer.name, row.offer.size, row.offer.hash, row.holders});
  }
  return out;
}

std::vector<std::pair<NodeId, mrt::ConnectionStats>> Node::stats() const {
  std::vector<std::pair<NodeId, mrt::ConnectionStats>> out;
  for (const auto& [node, id] : state_->link_by_node) {
    if (const auto stats = state_->endpoint.stats(id)) out.emplace_back(node, *stats);
  }
  return out;
}

// The round after each input: what the endpoint has to tell, what follows from that, and what
// the user is to know.
void Node::State::after_input(mrt::Instant now) {
  if (!stopped) {
    poll_endpoint(now);
    drop_slow(now);
    run_migration(now);
    pump_transfer(now);
    deliver(now);
    if (roster_due <= now) flush_roster(now);
    spread(now);
    poll_endpoint(now);
    emit_role();
    if (roster_changed) emit_roster(now);
  }
  run_servers(now);
  awake_until = std::max(now, compute_timeout());  // what is overdue now was not slept through
  DCHECK(is_consistent());
}

/// Was this process frozen or starved? Then the silence was its own: it suspects itself first
/// (Dadgar et al., "Lifeguard", 2018), and a supernode orders nothing until its epoch is
/// confirmed.
void Node::State::note_stall(mrt::Instant now) {
  if (awake_until == mrt::never || now < awake_until) return;
  const mrt::Duration away = now - awake_until;
  lateness += (std::min(away, lateness_most) - lateness) / lateness_share;
  if (away < stall_min) return;
  awake_until = now;
  doubt_epoch(now);
  for (auto& [id, link] : links) link.suspicion.forgive(now);
  holds_due = mrt::never;
  migration.on_stall(now);
  // The silence is forgotten; that the connection is closed is not.
  if (is_cut_off() && !search) migration.on_silent(now, supernode);
  next_silence_check = now;
  emit(Noted{"this node did not run for " + std::to_string(mrt::to_ms(away)) + " ms"});
}

void Node::State::poll_endpoint(mrt::Instant now) {
  while (auto event = endpoint.poll_event()) on_connection_event(now, *event);
}

void Node::State::on_timers(mrt::Instant now) {
  transfer.on_timeout(now);
  if (next_beat <= now) beat(now);
  if (next_silence_check <= now) check_silence(now);
  read_again(now);
  if (migration.next_timeout() <= now) listen_for_word(now);
  migration.on_timeout(now, order.last());
  if (rendezvous && rendezvous->next_timeout() <= now) rendezvous->on_timeout(now);
  if (stun_port.next_timeout() <= now) stun_port.on_timeout(now);
  run_port_search(now);
  if (search) try_targets(now);
  let_in(now);
  meet_lost(now);
  keep_warm(now);
  if (reach_due <= now) tell_reach(now);
  if (paths_due <= now) {
    paths_due = mrt::never;
    roster_changed = true;
  }
  if (stable_due <= now) {
    stable_due = mrt::never;
    stable_told = stable;
    for (auto& [id, link] : links) {
      if (link.member) send(now, link, Stable{epoch, stable});
    }
  }
  if (doubt_ends <= now) {
    // Those who went were asked meanwhile; where one is being joined, that decides, and where a
    // successor is left, its word.
    doubt_ends = search || successor_link() ? now + doubt_time : mrt::never;
    advance_stable(now);
  }
  if (search && is_supernode() && order.has_pending()) send_pending(now);
  if (quitting && *quitting <= now && !stopped) {
    stopped = true;
    emit(Stopped{quit_reason});
  }
}

mrt::Instant Node::State::compute_timeout() const {
  if (stopped) return mrt::never;
  mrt::Instant next =
      std::min({endpoint.next_timeout(), transfer.next_timeout(), next_beat, next_silence_check,
                introductions.next_timeout(), admitted.next_timeout(), migration.next_timeout(),
                roster_due, stable_due, doubt_ends, reach_due, paths_due, stun_port.next_timeout(),
                ports.next_timeout()});
  if (rendezvous) next = std::min(next, rendezvous->next_timeout());
  if (search) {
    next = std::min({next, search->deadline, search->calls_end});
    if (search->look_up_ends != mrt::Instant{}) next = std::min(next, search->look_up_ends);
    if (waits_for_star(awake_until) && order.has_pending()) {
      next = std::min(next, search->started + said_there_time);
    }
    if (!search->waiting.empty()) next = std::min(next, search->ask_next_at);
    for (const auto& [id, when] : search->retries) next = std::min(next, when);
    for (const auto& [address, id] : search->tried) {
      const auto it = links.find(id);
      if (it != links.end()) next = std::min(next, unheard_at(it->second));
    }
    for (const auto& [address, when] : search->again) next = std::min(next, when);
  }
  for (const auto& [node, peer] : lost) {
    if (seeks(peer)) next = std::min(next, peer.next_try);
  }
  for (const auto& [id, when] : unread) next = std::min(next, when);
  if (quitting) next = std::min(next, *quitting);
  return next;
}

/// Hands delivered broadcasts to the user.
void Node::State::deliver(mrt::Instant now) {
  while (auto delivery = order.poll_delivery()) {
    const Ordered& message = delivery->message;
    if (message.id.sender == self && message.id.incarnation == incarnation) {
      chats.erase(message.id.number);
    }
    if (delivery->skipped > 0) emit(GapFound{message.id.sender, delivery->skipped});
    if (message.kind == BroadcastKind::chat) {
      std::string text(mrt::as_text(message.body));
      if (!is_utf8(text)) continue;
      emit(ChatDelivered{message.id.sender, message.nick, std::move(text), message.id,
                         message.place, delivery->history});
    } else {
      deliver_offer(now, *delivery);
    }
  }
  if (const auto number = order.on_stable(stable)) emit(OwnStable{*number});
  if (synced) announce_overtaken(now);
}

void Node::State::fail(CommandId command, ErrorCode code, std::string message) {
  emit(CommandFailed{command, code, std::move(message)});
}

Role Node::State::role() const {
  if (!is_supernode()) return Role::member;
  return roster.size() > 1 || config.host ? Role::supernode : Role::alone;
}

void Node::State::emit_role() {
  // While a new supernode is sought the old role stands: it may come back.
  if (!migration.is_steady() || !synced) return;
  const RoleChanged now_is{role(), epoch, supernode, is_supernode() ? incarnation : order.life()};
  if (role_told && role_told->role == now_is.role && role_told->epoch == now_is.epoch &&
      role_told->supernode == now_is.supernode && role_told->life == now_is.life) {
    return;
  }
  role_told = now_is;
  emit(now_is);
  roster_changed = true;
}

void Node::State::emit_roster(mrt::Instant now) {
  if (!migration.is_steady() || !synced) return;
  roster_changed = false;
  paths_due = mrt::never;
  roster_told = now;
  emit(RosterChanged{epoch, supernode, peers()});
}

/// The supernode first, whatever the roster says: that may still be of the view before.
std::vector<NodeId> Node::State::by_rank() const {
  std::vector<NodeId> out = roster.by_rank();
  std::erase(out, supernode);
  out.insert(out.begin(), supernode);
  return out;
}

PathKind Node::State::path_to(const NodeId& node) const {
  if (node == self) return PathKind::local;
  const Link* link = link_to(node);
  if (!link || !link->connected) return PathKind::relayed;
  return link->path.is_on_one_host() ? PathKind::local : PathKind::direct;
}

std::vector<Peer> Node::State::peers() const {
  const auto rtt_of = [this](const NodeId& node) -> mrt::Duration {
    const Link* link = link_to(node);
    const auto stats = link ? endpoint.stats(link->id) : std::nullopt;
    return stats ? stats->rtt : mrt::Duration{};
  };
  std::vector<Peer> out;
  for (const auto& [node, entry] : roster.entries()) {
    Peer peer{node, entry.nick, {}, Role::member, path_to(node), {}, entry.rank};
    if (!entry.addresses.empty()) peer.address = entry.addresses.front();
    if (const Link* link = link_to(node)) peer.address = link->path.remote;
    if (peer.path == PathKind::relayed) peer.relayed = why_relayed(node);
    peer.cut_off = entry.cut_off;
    if (node == supernode) peer.role = node == self ? role() : Role::supernode;
    if (node != self) {
      peer.rtt = rtt_of(node);
      // Through the supernode: our way to it and its way on.
      if (peer.rtt == mrt::Duration{} && node != supernode) {
        peer.rtt = rtt_of(supernode) + std::chrono::microseconds(entry.rtt_us);
      }
    }
    out.push_back(std::move(peer));
  }
  std::sort(out.begin(), out.end(), [](const Peer& a, const Peer& b) {
    return std::pair(a.rank, a.node) < std::pair(b.rank, b.node);
  });
  return out;
}

bool Node::State::is_consistent() const {
  size_t members = 0;
  for (const auto& [id, link] : links) {
    if (link.member && !is_supernode()) return false;
    members += link.member ? 1 : 0;
  }
  if (uplink_id && (is_supernode() || !links.contains(*uplink_id))) return false;
  // Nobody waits for nothing: a member has an uplink or looks for one, and whoever is in a
  // supernode's roster has a connection whose end will be noticed.
  if (!quitting && is_cut_off() && !search) return false;
  if (!quitting && is_supernode() && migration.is_steady()) {
    for (const auto& [node, entry] : roster.entries()) {
      if (node != self && !link_by_node.contains(node)) return false;
    }
  }
  for (const auto& [node, id] : link_by_node) {
    const auto it = links.find(id);
    if (it == links.end() || it->second.peer != node) return false;
  }
  // Each of these is forgotten with its Closed, which every connection has: they are no more than
  // the endpoint has connections.
  for (const mrt::ConnectionId id : leaving) {
    if (!stopped && !endpoint.stats(id)) return false;
  }
  return roster.is_consistent() && stun_port.is_consistent() &&
         (!rendezvous || rendezvous->is_consistent()) && ports.is_consistent() &&
         unread.size() <= links.size() && members <= members_max &&
         introductions.later.size() <= later_calls_max && lost.size() <= lost_max &&
         arrivals.size() <= roster.size();
}

}  // namespace node
