// SPDX-License-Identifier: MIT
//
// Looking for a star and coming into it: candidates are tried side by side, members lead on to
// their supernode, and Welcome to Ready brings roster, offers and what was said. Also looking
// for those who were lost in silence, so that two halves of a star become one again.
#include <algorithm>

#include "node/node_state.h"

namespace node {

/// Who has lost its star asks the rendezvous servers for so long, before it counts as alone: two
/// round trips and a lost packet, and time for a successor to register.
static constexpr mrt::Duration rejoin_look_up_time = std::chrono::seconds(3);

std::optional<mrt::NetworkKey> JoinSearch::key_for(const mrt::Address& address) const {
  const auto told = keys.find(address);
  return told == keys.end() ? key : std::optional(told->second);
}

void JoinSearch::note(JoinFailure failed) {
  if (!failure || !is_more_telling(*failure, failed)) failure = std::move(failed);
}

void Node::State::start_join(mrt::Instant now, JoinSearch wanted) {
  const bool by_user = wanted.command != CommandId{} || wanted.lead_star;
  search = std::move(wanted);
  search->started = now;
  search->deadline = now + join_time_max;
  search->targets = usable(search->targets, true);
  if (search->targets.empty() && by_user && search->look_up_ends == mrt::Instant{}) {
    return end_join(now, JoinFailure{ErrorCode::unreachable, "no address to try"});
  }
  // For those who were lost: what was found then is wanted again, or another star is.
  if (rendezvous) rendezvous->stop_looking();
  if (search->look_up_ends != mrt::Instant{}) {
    rendezvous->look_up(now, told_of_self(stun::told_by_looker_max));
  }
  try_targets(now);
}

void Node::State::try_targets(mrt::Instant now) {
  if (search->deadline <= now) {
    search->note(why_nobody_answered(now));
    return end_join(now, search->failure);
  }
  if (search->look_up_ends != mrt::Instant{} && search->look_up_ends <= now) end_look_up();
  call_unheard_anew(now);
  if (!search) return;
  for (auto it = search->again.begin(); it != search->again.end();) {
    if (it->second > now) {
      ++it;
      continue;
    }
    search->tried.erase(it->first);
    it = search->again.erase(it);
  }
  const std::vector<mrt::Address> targets = search->targets;
  for (const mrt::Address& address : targets) {
    if (search->tried.contains(address)) continue;
    Link* link = open_link(now, address, Purpose::join, search->key_for(address));
    search->tried[address] = link ? link->id : mrt::ConnectionId{};
  }
  std::vector<mrt::ConnectionId> due;
  for (const auto& [id, when] : search->retries) {
    if (when <= now) due.push_back(id);
  }
  for (const mrt::ConnectionId id : due) {
    search->retries.erase(id);
    const auto it = links.find(id);
    if (it != links.end() && it->second.connected) say_hello(now, it->second, Purpose::join);
  }
  if (search->ask_next_at <= now) ask_next(now);
  if (has_candidates()) return;
  search->note({ErrorCode::unreachable, "no connection to any address"});
  end_join(now, search->failure);
}

/// Candidates that were asked over a connection to nobody get another one.
void Node::State::call_unheard_anew(mrt::Instant now) {
  std::vector<mrt::ConnectionId> unheard;
  for (const auto& [address, id] : search->tried) {
    const auto it = links.find(id);
    if (it == links.end() || unheard_at(it->second) > now) continue;
    search->again[address] = now;
    unheard.push_back(id);
  }
  for (const mrt::ConnectionId id : unheard) hang_up(now, id);
}

void Node::State::ask_next(mrt::Instant now) {
  search->ask_next_at = {};
  while (!search->waiting.empty()) {
    const mrt::ConnectionId id = *search->waiting.begin();
    search->waiting.erase(search->waiting.begin());
    const auto it = links.find(id);
    if (it == links.end()) continue;
    search->ask_next_at = now + join_patience;
    return say_hello(now, it->second, Purpose::join);
  }
}

bool Node::State::has_candidates() const {
  return search->look_up_ends != mrt::Instant{} || !search->again.empty() ||
         std::any_of(search->tried.begin(), search->tried.end(),
                     [this](const auto& tried) { return links.contains(tried.second); });
}

/// One of the candidates is gone; with the last one the search has failed.
void Node::State::on_join_link_closed(mrt::Instant now, const Link& link,
                                      const mrt::Closed& closed) {
  search->retries.erase(link.id);
  search->waiting.erase(link.id);
  bool was_tried = false;
  for (const auto& [address, id] : search->tried) {
    if (id != link.id) continue;
    was_tried = true;
    const mrt::Access shown = search->key_for(address).value_or(network_key()).access;
    if (auto failure = join_failure(closed.code, shown)) search->note(std::move(*failure));
    // It lives, and had its own reasons (it followed another supernode, say): asked again.
    if (closed.by_peer && closed.code >= mrt::CloseCode::application) {
      search->again[address] = now + join_retry;
    }
  }
  if (!was_tried) return;
  if (has_candidates()) return ask_next(now);
  if (closed.code == mrt::CloseCode::refused) {
    search->note({ErrorCode::refused, "refused: " + closed.reason});
  }
  search->note({ErrorCode::unreachable,
                "nobody answered at " + (link.path.remote.port ? link.path.remote.to_string()
                                                               : std::string("that address"))});
  end_join(now, search->failure);
}

/// A candidate answered, and will not do: the others are waited for.
void Node::State::give_up_candidate(mrt::Instant now, Link& link, JoinFailure why) {
  search->note(std::move(why));
  for (auto& [address, id] : search->tried) {
    if (id == link.id) id = {};
  }
  search->retries.erase(link.id);
  if (!link.member && !from_uplink(link)) drop_link(now, link.id, close_unneeded, "not needed");
  if (!search) return;
  if (!has_candidates()) return end_join(now, search->failure);
  ask_next(now);
}

/// Whether a search that failed was the last hope. A silent uplink is one for as long as a search
/// may take; a gathering that is under way has limits of its own.
bool Node::State::finds_nobody(mrt::Instant now) const {
  if (is_supernode() || quitting) return false;
  if (migration.is_steady()) return !uplink_id;
  const bool long_enough = now - migration.began() >= join_time_max;
  return migration.phase() == Migration::Phase::doubting && (!uplink_id || long_enough);
}

/// The search is over. Without a star after a loss, this node goes on by itself.
void Node::State::end_join(mrt::Instant now, std::optional<JoinFailure> failure) {
  const JoinSearch done = std::move(*search);
  search.reset();
  std::vector<mrt::ConnectionId> unneeded;
  for (const auto& [address, id] : done.tried) {
    const auto it = links.find(id);
    if (it == links.end() || uplink_id == id || it->second.member) continue;
    // A failed attempt leaves nothing behind; a link that also keeps us warm stays.
    if (!it->second.connected || (failure && it->second.asks == Purpose::join))
      unneeded.push_back(id);
  }
  for (const mrt::ConnectionId id : unneeded) drop_link(now, id, close_unneeded, "not needed");
  if (done.command != CommandId{}) {
    if (failure) {
      emit(CommandFailed{done.command, failure->code, failure->message, failure->password_asked});
    } else {
      emit(JoinDone{done.command});
    }
  }
  // That the star goes there is told by SCLS, and all else here.
  if (done.lead_star && (failure || is_supernode())) {
    const bool auth = failure && failure->code == ErrorCode::auth;
    send_to(now, done.asked_by,
            MergeFailed{done.asked_number, auth, failure ? failure->message : "it is this star"});
  }
  if (failure && is_supernode()) send_pending(now);  // what waited for the star is said here
  if (failure && finds_nobody(now)) found_alone(now);
}

void Node::State::on_redirect(mrt::Instant now, Link& link, const Redirect& message) {
  if (link.asks == Purpose::meet) return on_met(now, link, message);
  if (!search || link.asks != Purpose::join) return;
  // In a crisis the way back to the old supernode is none: who names it does not know yet.
  const bool there_already = message.supernode == supernode && migration.is_steady() &&
                             (is_supernode() || uplink_id.has_value());
  if (there_already) return end_join(now, std::nullopt);
  if (message.supernode == self) {
    search->retries[link.id] = now + 5 * join_retry;
    return ask_next(now);
  }
  if (left_nodes.contains(now, message.supernode)) {
    return give_up_candidate(now, link, {ErrorCode::refused, "its supernode broke the rules"});
  }
  const auto shown = endpoint.key_shown(link.id);
  const bool one_host = config.endpoint.plain || link.path.is_on_one_host();
  const auto key = shown ? key_of_star(network_key(), *shown, message.key, one_host) : std::nullopt;
  if (!key) {
    return give_up_candidate(now, link, {ErrorCode::auth, "it leads to a star with another key"});
  }
  const auto there = with_guesses(message.addresses, link.path.remote);
  for (const mrt::Address& address : usable(there, link.path.remote.is_loopback())) {
    if (search->targets.size() >= join_addresses_max) break;
    if (std::find(search->targets.begin(), search->targets.end(), address) ==
        search->targets.end()) {
      search->targets.push_back(address);
      search->keys[address] = *key;
    }
  }
  // It may not know yet that its supernode is gone: it is asked again while we look.
  search->retries[link.id] = now + 5 * join_retry;
  search->ask_next_at = {};
  try_targets(now);
}

void Node::State::on_refuse(mrt::Instant now, Link& link, const Refuse& message) {
  if (from_uplink(link) && message.code == RefuseCode::banned) {
    // Shut out: this node goes on alone, and looks for nobody of that star.
    fail({}, ErrorCode::refused, message.reason);
    uplink_id.reset();
    found_alone(now);
    lost.clear();
    return;
  }
  if (!search || link.asks != Purpose::join) return;
  if (message.code == RefuseCode::busy) {
    search->retries[link.id] = now + join_retry;
    return ask_next(now);
  }
  const ErrorCode code =
      message.code == RefuseCode::network ? ErrorCode::network : ErrorCode::refused;
  give_up_candidate(now, link, {code, message.reason});
}

/// What newcomers have to show from now on.
void Node::State::adopt(const mrt::NetworkKey& key) {
  if (key == network_key()) return;
  config.endpoint.network_key = key;
  endpoint.set_network_key(key);
  emit(AccessChanged{key.access});
}

/// Where no star comes by counting: from there its members would soon count beyond what a message
/// holds.
static bool is_beyond_counting(const Welcome& message) {
  const auto is_far = [](Epoch epoch, Seq seq) {
    return epoch.value > epoch_max / 2 || seq.value > seq_max / 2;
  };
  return is_far(message.epoch, message.delivered) || is_far({}, message.kept) ||
         std::any_of(message.line.begin(), message.line.end(),
                     [&](const ViewMark& mark) { return is_far(mark.epoch, mark.last); });
}

/// A supernode takes this node in: from here on it is its member.
void Node::State::on_welcome(mrt::Instant now, Link& link, const Welcome& message) {
  if (is_beyond_counting(message)) return violation(now, link, "counts beyond any star");
  const bool asked = search && link.asks == Purpose::join;
  const bool gathered =
      migration.phase() == Migration::Phase::following && migration.awaited() == link.peer;
  // It fell behind the tail; or the supernode was asked twice, and its epoch has risen since.
  const bool once_more = from_uplink(link) && !asked && !gathered && is_in_reach(message.epoch);
  if (once_more && migration.has_parted()) return;
  // Or two of the addresses that were asked are one supernode's.
  const bool again = once_more || (link.asks == Purpose::join && message.supernode == supernode &&
                                   message.epoch == epoch);
  if (asked && left_nodes.contains(now, link.peer)) {
    return give_up_candidate(now, link, {ErrorCode::refused, "that node broke the rules"});
  }
  const bool same_view = (message.epoch == epoch || once_more) && message.supernode == supernode &&
                         link.hello.incarnation == order.life();
  const bool no_rise = message.epoch == epoch && epoch != Epoch{};
  // It answers what was asked in a view that this node has left since, or before it was in any.
  const bool was_elsewhere = !same_view && !is_in(message.asked_in);
  if (asked && (message.epoch < epoch || (no_rise && !same_view) || was_elsewhere)) {
    // Others have come to us since we asked, and our epoch has risen: we are more now.
    search->retries[link.id] = now + join_retry;
    return;
  }
  if (!asked && !gathered && !again && link.welcome_due) {
    // The question was given up, and the answer comes all the same: it is not to count on us.
    return drop_link(now, link.id, close_superseded, "welcomed too late");
  }
  if ((!asked && !gathered && !again) || message.supernode != link.peer || message.epoch < epoch) {
    return violation(now, link, "unexpected Welcome");
  }
  // Within the star that this node is in, its key is known.
  const auto shown = asked ? endpoint.key_shown(link.id) : std::optional(network_key());
  const bool one_host = config.endpoint.plain || link.path.is_on_one_host();
  const auto key = shown ? key_of_star(network_key(), *shown, message.key, one_host) : std::nullopt;
  if (!key || (!asked && *key != network_key())) {
    return violation(now, link, "tells another key than was shown");
  }
  const bool was_supernode = is_supernode();
  const bool had_star = epoch != Epoch{};
  if (was_supernode) {
    // The own star comes along; SCLS names where to. (After a hand-over it knows.)
    if (asked && migration.is_steady() && roster.size() > 1) {
      close_star(now, {message.epoch,
                       link.peer,
                       {link.path.remote},
                       CloseReason::merged,
                       order.last(),
                       told_key(*key)});
    }
    held_publishes.clear();
  }
  adopt(*key);
  if (!left_supernode && had_star && supernode != link.peer) {
    left_supernode = supernode;
    left_at = migration.is_steady() ? now : migration.began();
    coming_reason = asked && migration.is_steady() ? MigrationReason::merged : coming_reason;
  }
  const mrt::ConnectionId old_uplink = uplink_id.value_or(mrt::ConnectionId{});
  const mrt::ConnectionId id = link.id;
  // Welcomed twice by one supernode (it was asked twice, or gathers meanwhile): what was taken of
  // its line stays, so that places never go back.
  if (same_view) deliver(now);
  const bool resumed = message.resumed || same_view;
  const Seq after = same_view ? std::max(message.delivered, order.last()) : message.delivered;
  // What was asked of one that gathered us before may be answered first.
  came_by_itself = !(gathered && message.gathered) && !same_view;
  const bool apart = came_by_itself || !resumed;
  // Others who come along from where these were lost are newcomers here, as this node is.
  // Not so where it is the heir of the own star that took this node in, be it late.
  for (auto& [node, peer] : lost) peer.of_this_star &= gathered || same_view;
  const uint64_t missed = order.enter_view(message.epoch, message.supernode, link.hello.incarnation,
                                           after, resumed, apart, message.line);
  if (!resumed) order.history_begins(message.kept);
  if (missed > 0) emit(GapFound{{}, missed});
  supernode = message.supernode;
  supernode_at = link.path.remote;
  epoch = message.epoch;
  migration.on_view(now, epoch, by_rank());  // whatever was under way is overtaken
  transfer.on_supernode(now, std::nullopt);  // what was asked for of the old one is asked anew
  nick = message.nick;
  stable = {};
  doubt_ends = mrt::never;
  word = 0;
  synced = false;
  uplink_id = id;
  roster_due = stable_due = mrt::never;
  for (auto& [other, l] : links) l.member = false;
  standing.clear();
  roster.begin_list();
  if (old_uplink != mrt::ConnectionId{} && old_uplink != id && links.contains(old_uplink)) {
    drop_link(now, old_uplink, close_superseded, "another supernode is followed");
  }
  next_beat = now;
  next_silence_check = now + keep_alive_min;
  links.at(id).suspicion = Suspicion(now);
  links.at(id).placed = {};
  links.at(id).welcome_due = false;
}

/// All that led up to now has come: this node is at work in the view.
void Node::State::on_ready(mrt::Instant now, Link& link, const Ready& message) {
  if (message.epoch != epoch || synced) return;
  if (message.seq > order.last()) return violation(now, link, "a hole in the order");
  if (!order.is_line_held()) return violation(now, link, "views beyond the places that came");
  deliver(now);
  order.history_ends();
  synced = had_company = true;
  link.asks.reset();
  migration.on_view(now, epoch, by_rank());
  transfer.on_supernode(now, supernode);
  view_works(now, coming_reason);
  send_pending(now);
  announce_missing(now);
  if (search) end_join(now, std::nullopt);
  close_unneeded_links(now);
  keep_warm(now);
  note_reach(now);
  if (order.last() > Seq{}) {
    const RosterEntry* mine = roster.find(self);
    if (mine && mine->rank == 1) send_to(now, supernode, Holds{epoch, order.last()});
  }
}

/// The supernode cannot be followed and nobody takes over: everyone known is asked.
void Node::State::rejoin(mrt::Instant now) {
  if (search || quitting) return;
  JoinSearch wanted;
  const Link* up = uplink();
  const bool local = (up && up->path.remote.is_loopback()) ||
                     std::any_of(config.sockets.begin(), config.sockets.end(),
                                 [](const mrt::Address& a) { return a.is_loopback(); });
  for (const NodeId& node : roster.by_rank()) {
    if (node == self || left_nodes.contains(now, node)) continue;
    for (const mrt::Address& address : addresses_of(node, local)) {
      if (wanted.targets.size() < addresses_max) wanted.targets.push_back(address);
    }
  }
  if (!left_supernode && !is_supernode()) {
    left_supernode = supernode;
    left_at = migration.is_steady() ? now : migration.began();
    coming_reason = MigrationReason::lost;
  }
  transfer.on_supernode(now, std::nullopt);
  if (rendezvous) wanted.look_up_ends = now + rejoin_look_up_time;
  if (wanted.targets.empty() && !rendezvous) return found_alone(now);
  start_join(now, std::move(wanted));
}

void Node::State::remember_lost(mrt::Instant now, const NodeId& node,
                                std::vector<mrt::Address> addresses, mrt::Duration first_pause) {
  if (addresses.empty() || lost.size() >= lost_max || left_nodes.contains(now, node)) return;
  lost[node] = {is_supernode(),       true,
                std::move(addresses), now,
                now + first_pause,    std::max(first_pause, meet_first)};
}

/// The supernode looks for all; others go on with those whom it may never have known.
bool Node::State::seeks(const LostPeer& peer) const {
  if (search || quitting) return false;
  const bool is_first = peer.of_this_star && peer.since <= elders_since;
  const bool here = uplink_id && synced && migration.is_steady();
  return is_supernode() || ((peer.is_mine || is_first) && here);
}

/// Who came after somebody was lost does not miss it: the first of those who were here looks for
/// it.
void Node::State::note_elders(const std::vector<NodeId>& succession) {
  elders_since = mrt::never;
  for (const NodeId& node : succession) {
    if (node == self) break;
    const auto came = arrivals.find(node);
    elders_since = std::min(elders_since, came == arrivals.end() ? mrt::Instant{} : came->second);
  }
}

/// Asks those who were lost which star they are in: after a cut both sides do.
void Node::State::meet_lost(mrt::Instant now) {
  std::erase_if(lost, [&](const auto& one) {
    return roster.find(one.first) || now - one.second.since > meet_time_max;
  });
  bool tries = false;
  for (auto& [node, peer] : lost) {
    if (!seeks(peer) || peer.next_try > now) continue;
    tries = true;
    peer.pause = std::min(peer.pause * 2, meet_pause_max);
    peer.next_try = now + peer.pause;
    open_link(now, peer.addresses.front(), Purpose::meet);
    std::rotate(peer.addresses.begin(), peer.addresses.begin() + 1, peer.addresses.end());
  }
  if (tries && is_supernode()) seek_lost(now);
}

/// One who was lost says which star it is in now.
void Node::State::on_met(mrt::Instant now, Link& link, const Redirect& message) {
  link.asks.reset();  // one answer to one question
  auto addresses =
      usable(with_guesses(message.addresses, link.path.remote), link.path.remote.is_loopback());
  if (message.supernode == link.peer) addresses.insert(addresses.begin(), link.path.remote);
  const mrt::ConnectionId id = link.id;
  const bool ours_is_higher =
      std::pair(message.epoch, message.supernode) < std::pair(epoch, supernode);
  if (ours_is_higher && message.supernode != link.peer) {
    // It is their supernode that has to come to us: it learns of us by being asked.
    for (const mrt::Address& address : addresses) open_link(now, address, Purpose::meet);
  }
  consider_other_star(now, message.epoch, message.supernode, addresses);
  const auto it = links.find(id);
  if (it != links.end() && !it->second.asks && !it->second.member && uplink_id != id) {
    drop_link(now, id, close_unneeded, "met");
  }
}

/// Of two stars the one with the higher (epoch, supernode) wins: the other joins it.
void Node::State::consider_other_star(mrt::Instant now, Epoch other_epoch, const NodeId& other,
                                      const std::vector<mrt::Address>& addresses) {
  if (search || quitting || !migration.is_steady()) return;
  if (other == supernode || banned.contains(other)) return;
  if (left_nodes.contains(now, other)) return;
  if (other_epoch.value > epoch_max / 2) return;  // its Welcome would not be believed
  if (std::pair(other_epoch, other) < std::pair(epoch, supernode)) return;
  JoinSearch wanted;
  wanted.targets = usable(addresses, true);
  if (wanted.targets.empty()) return;
  if (!is_supernode()) {
    // Not this node's to decide. Told once, however many say so: no answer is waited for.
    if (!uplink_id || !synced || now < next_merge) return;
    next_merge = now + join_time_max;
    send(now, *uplink(), Merge{0, wanted.targets, told_key(network_key())});
    return;
  }
  coming_reason = MigrationReason::merged;
  start_join(now, std::move(wanted));
}

}  // namespace node
