// SPDX-License-Identifier: MIT
//
// Rendezvous (WIRE.md 9): a supernode is registered while it is one, whoever seeks a star asks
// for it, and those who come are let through this side's NAT.
#include <algorithm>

#include "mrt/base/match.h"
#include "node/node_state.h"

namespace node {

/// What the servers are told from now on, and what they have told.
void Node::State::run_servers(mrt::Instant now) {
  endpoint.hear_openings(search.has_value());
  search_candidate(now);
  while (const auto found = stun_port.poll_event()) {
    emit(NatChanged{found->behaviour});
    note_reach(now);
  }
  endpoint.set_keep_alive(std::min(config.endpoint.keep_alive, stun_port.pace()));
  if (!rendezvous) return;
  // Who never was in a star has none that others could come into.
  if (is_supernode() && epoch != Epoch{} && !quitting) {
    rendezvous->enrol(now, epoch.value, told_of_self(stun::told_max));
  } else {
    rendezvous->leave(now);
  }
  if (search && rendezvous->is_looking()) {
    rendezvous->look_up(now, told_of_self(stun::told_by_looker_max));  // what has changed
  } else if (lost_sought_until <= now) {
    rendezvous->stop_looking();
  }
  if (rendezvous->next_timeout() <= now) rendezvous->on_timeout(now);
  while (const auto event = rendezvous->poll_event()) on_rendezvous_event(now, *event);
}

/// Behind a NAT that has forgotten it nobody finds a node where it was, nor is found by it. It may
/// be alone by now, or lead others: then it is registered, as this node is.
void Node::State::seek_lost(mrt::Instant now) {
  if (!rendezvous || search) return;
  if (lost_sought_until <= now) rendezvous->stop_looking();  // what was found then is called again
  rendezvous->look_up(now, told_of_self(stun::told_by_looker_max));
  lost_sought_until = now + lost_look_up_time;
}

void Node::State::on_rendezvous_event(mrt::Instant now, const stun::RendezvousEvent& event) {
  const auto note = [this](const std::string& text) { emit(Noted{text}); };
  std::visit(mrt::Match{
                 [&](const stun::CandidatesFound& found) { on_candidates(now, found); },
                 [&](const stun::PeerIntroduced& peer) {
                   on_peer_introduced(now, peer);
                   note("somebody comes from " + peer.addresses.front().to_string());
                 },
                 [&](const stun::SeenAt& at) {
                   stun_port.on_seen(now, at.seen);
                   note("rendezvous " + at.server.to_string() + " sees this node at " +
                        at.seen.to_string());
                 },
                 [&](const stun::RegistrationChanged& at) {
                   note((at.registered ? "registered at rendezvous "
                                       : "no answer any more from rendezvous ") +
                        at.server.to_string());
                 },
             },
             event);
}

stun::Told Node::State::told_of_self(size_t most) const {
  return {stun_port.reachable(config.addresses, most), stun_port.symmetric() == true};
}

/// A search that goes on does so without the servers.
void Node::State::end_look_up() {
  search->look_up_ends = {};
  rendezvous->stop_looking();
}

/// At the search's deadline, as far as it can be told.
JoinFailure Node::State::why_nobody_answered(mrt::Instant now) const {
  if (search->look_up_ends != mrt::Instant{} && search->targets.empty()) {
    return {ErrorCode::unreachable,
            rendezvous->answered() == 0
                ? "no rendezvous server answers"
                : "nobody is registered under that network's name and password or secret"};
  }
  const auto took = std::chrono::round<std::chrono::seconds>(now - search->started);
  const std::string silence = "nobody answered within " + std::to_string(took.count()) + " s";
  const auto& seen = search->seen;
  const bool maybe_both = std::all_of(seen.begin(), seen.end(),
                                      [](const stun::SeenHost& host) { return host.symmetric; });
  if (stun_port.symmetric() != true || !maybe_both) return {ErrorCode::timeout, silence};
  // Neither can be called by the other, and no port is searched for (OVERLAY.md 4.10).
  return {ErrorCode::timeout,
          silence + (seen.empty() ? ": if the other side is behind a symmetric NAT like this one, "
                                  : ": both sides are behind symmetric NATs, so ") +
              "one reachable node is needed"};
}

void Node::State::on_candidates(mrt::Instant now, const stun::CandidatesFound& found) {
  if (!search) {
    if (quitting || !is_supernode()) return;
    for (const mrt::Address& address : found.addresses) {
      if (named_calls.is_spent(now)) break;
      named_calls.spend(now);
      open_link(now, address, Purpose::meet);
    }
    return;
  }
  if (search->seen.empty() && !found.seen.empty()) search->calls_end = now + call_patience;
  search->seen = found.seen;
  for (const mrt::Address& address : found.addresses) {
    auto& targets = search->targets;
    if (targets.size() >= join_addresses_max) break;
    if (std::find(targets.begin(), targets.end(), address) == targets.end()) {
      targets.push_back(address);
    }
  }
  try_targets(now);
}

/// A symmetric NAT gives each destination another port, so whoever seeks the node behind it knows
/// the host alone, until that node opens its NAT for the seeker. Anyone could say so in its name:
/// what may come of it is bounded by openings_believed, and goes to a host that is called anyway.
void Node::State::on_opening(mrt::Instant now, const mrt::Address& from) {
  if (!search || search->heard >= openings_believed || !from.is_unicast()) return;
  const auto& targets = search->targets;
  const bool known = std::find(targets.begin(), targets.end(), from) != targets.end();
  const auto host = std::find_if(targets.begin(), targets.end(),
                                 [&](const mrt::Address& one) { return one.ip == from.ip; });
  if (known || host == targets.end() || targets.size() >= join_addresses_max) return;
  if (const auto key = search->keys.find(*host); key != search->keys.end()) {
    search->keys[from] = mrt::NetworkKey(key->second);
  }
  ++search->heard;
  search->targets.push_back(from);
  try_targets(now);
}

/// A few tiny packets, so that this side's NAT lets in what comes from there. Whether any could
/// be sent.
bool Node::State::open_nat(mrt::Instant now, const mrt::Address& address, int packets) {
  const auto socket = socket_for(address);
  if (!address.is_unicast() || !socket) return false;
  for (int i = 0; i < packets; ++i) endpoint.send_opening(now, {*socket, address});
  return true;
}

/// Whom `A` named, until they have come.
void Node::State::let_in(mrt::Instant now) {
  for (const mrt::Address& address : admitted.take_due(now)) {
    const bool is_here = std::any_of(links.begin(), links.end(), [&](const auto& link) {
      return link.second.connected && link.second.path.remote == address;
    });
    if (is_here) {
      admitted.remove(address);
    } else {
      open_nat(now, address, 1);
    }
  }
}

void Node::set_rendezvous_key(mrt::Instant now, const stun::RendezvousKey& key) {
  if (!state_->rendezvous) return;
  state_->rendezvous->set_key(now, key);
  state_->after_input(now);
}

void Node::add_rendezvous(mrt::Instant now, const std::vector<mrt::Address>& servers) {
  State& s = *state_;
  if (!s.rendezvous) return;
  s.rendezvous->add_servers(now, servers);
  if (s.rendezvous->servers() == 0) {
    const bool looking = s.search && s.search->look_up_ends != mrt::Instant{};
    if (looking) s.end_look_up();
    s.rendezvous.reset();
    if (looking) s.try_targets(now);
  }
  s.after_input(now);
}

void Node::add_stun(mrt::Instant now, const std::vector<mrt::Address>& servers) {
  state_->stun_port.add_servers(now, servers, state_->random);
  state_->after_input(now);
}

void Node::set_addresses(mrt::Instant now, const std::vector<mrt::Address>& addresses) {
  state_->config.addresses = addresses;
  state_->stun_port.look_again(now);
  state_->note_reach(now);
  state_->after_input(now);
}

std::vector<mrt::Address> Node::reachable_at(size_t most) const {
  return state_->stun_port.reachable(state_->config.addresses, most);
}

}  // namespace node
