// SPDX-License-Identifier: MIT
//
// Meeting hosts of which nobody knows at which port they can be called (OVERLAY.md 4.10): one of
// the two is behind a NAT that gives each destination another port, the other lets in only what
// comes from a port that it sent to. stun::PortSearch says what to send and when; here is with
// whom, and what follows.
//
// Only towards where a server or a supernode itself saw the other one, never to what that one says
// of itself: else it could make this node knock at a stranger's ports.
#include <algorithm>

#include "node/node_state.h"

namespace node {

using Half = stun::PortSearch::Half;

void Node::State::on_peer_introduced(mrt::Instant now, const stun::PeerIntroduced& peer) {
  for (const mrt::Address& address : peer.addresses) open_nat(now, address);
  if (peer.seen) note_introduced(now, *peer.seen);
}

/// Whoever is introduced again has called in vain. Whether a search for it has begun.
bool Node::State::note_introduced(mrt::Instant now, const stun::SeenHost& far) {
  std::erase_if(ports.introduced,
                [now](const auto& one) { return one.second + introduction_life <= now; });
  if (ports.introduced.size() >= introduced_max) return false;
  // What it knows of its own NAT by now.
  const bool both = far.symmetric == (stun_port.symmetric() == true);
  if (both && ports.search.is_for(far.address)) end_port_search();
  const auto known = ports.introduced.try_emplace(far.address, now).first;
  return known->second + introduction_patience <= now && search_port(now, far);
}

/// The first address is where the supernode itself sees that member. One on the supernode's own LAN
/// is seen at an address that is somebody else's here.
void Node::State::search_member(mrt::Instant now, const Link& uplink, const Introduce& message) {
  if (message.addresses.empty()) return;
  const mrt::Address& seen = message.addresses.front();
  if (seen.is_private() && !uplink.path.remote.is_private()) return;
  if (note_introduced(now, {seen, roster.find(message.node)->symmetric})) {
    ports.member = message.node;
  }
}

/// Where both are behind such NATs nothing is met, and where neither is nothing need be searched.
bool Node::State::search_port(mrt::Instant now, const stun::SeenHost& far) {
  // NATs that give each destination another port are IPv4's.
  if (!far.address.is_v4()) return false;
  const auto symmetric = stun_port.symmetric();
  if (quitting || !symmetric || symmetric == far.symmetric) return false;
  if (!socket_for(far.address)) return false;
  if (*symmetric && ports.spares.size() >= spares_kept_max) return false;
  const Half half = *symmetric ? Half::opens : Half::tries;
  if (!ports.search.begin(now, half, far.address, random)) return false;
  ports.for_join = false;
  ports.member = {};
  const std::string host = far.address.to_string();
  emit(Noted{*symmetric ? "opens " + std::to_string(stun::spares_max) + " ports for " + host
                        : "tries up to " + std::to_string(stun::probes_max) +
                              " ports of the host seen at " + host});
  return true;
}

/// Those whom a look-up has found are called first, for call_patience.
void Node::State::search_candidate(mrt::Instant now) {
  if (ports.for_join && !search) end_port_search();
  if (!search) return;
  if (search->calls_end <= now) search->calls_end = mrt::never;
  if (search->calls_end != mrt::never || search->seen.empty()) return;
  // A member that shows the way to them is not one of them.
  const auto is_sought = [this](const mrt::Address& address) {
    return std::any_of(search->seen.begin(), search->seen.end(),
                       [&](const stun::SeenHost& one) { return one.address.ip == address.ip; });
  };
  const bool answered =
      std::any_of(search->tried.begin(), search->tried.end(), [&](const auto& tried) {
        const auto link = links.find(tried.second);
        return link != links.end() && link->second.connected && is_sought(tried.first);
      });
  if (answered) return;
  for (const stun::SeenHost& one : search->seen) {
    if (!search_port(now, one)) continue;
    ports.for_join = true;
    // Somebody is found, and only the way is not: who waits for it does so until the odds are used
    // up. Who has lost its star does not: what is registered there may be gone.
    if (search->command == CommandId{}) return;
    // For one of them: with several, or a server that names ever new ones, it would never end.
    const mrt::Instant latest = search->started + join_time_max + port_search_time;
    search->deadline = std::max(search->deadline, std::min(now + port_search_time, latest));
    if (search->look_up_ends != mrt::Instant{}) search->look_up_ends = search->deadline;
    return;
  }
}

/// What is due of a search, and of the sockets that others have brought.
void Node::State::run_port_search(mrt::Instant now) {
  if (ports.spare_check <= now) end_spares(now);
  if (ports.search.next_timeout() > now) return;
  const bool opens = ports.search.is_running(Half::opens);
  if (const auto address = ports.search.poll(now)) {
    const auto socket = socket_for(*address);
    if (socket && opens) {
      ports.opened = true;
      emit(SocketRequest{SpareWanted{{*socket, *address}}});
    } else if (socket) {
      endpoint.send_opening(now, {*socket, *address});
    }
  }
  if (opens && !ports.search.is_running(Half::opens)) end_port_search();
}

void Node::State::end_port_search() {
  ports.search.end();
  ports.for_join = false;
  ports.member = {};
  if (std::exchange(ports.opened, false)) emit(SocketRequest{SparesUnwanted{}});
}

/// One of the ports that were opened here was met. The other side learns by an OPENING from it
/// which one; where it is this node that looks for the other, it calls there.
void Node::State::on_spare(mrt::Instant now, const mrt::Path& path) {
  ports.opened = false;
  ports.search.end();
  ports.spares.push_back({path.local});
  if (ports.spare_check == mrt::never) ports.spare_check = now + spare_check_interval;
  emit(Noted{path.remote.to_string() + " has met a port of this node"});
  for (int i = 0; i < openings; ++i) endpoint.send_opening(now, path);
  const NodeId member = std::exchange(ports.member, NodeId{});
  if (std::exchange(ports.for_join, false) && search) {
    call_target_on(now, path);
  } else if (roster.find(member)) {
    call_member_on(now, path);
  } else if (is_supernode() && !lost.empty() && !quitting) {
    open_link_on(now, path, Purpose::meet);  // it may lead those who were lost
  }
}

void Node::State::call_member_on(mrt::Instant now, const mrt::Path& path) {
  std::vector<mrt::ConnectionId> in_vain;
  for (const auto& [id, link] : links) {
    if (!link.connected && link.path.remote == path.remote) in_vain.push_back(id);
  }
  for (const mrt::ConnectionId id : in_vain) hang_up(now, id);
  open_link_on(now, path, Purpose::warm);
}

/// Instead of the call from another socket, which did not get through.
void Node::State::call_target_on(mrt::Instant now, const mrt::Path& path) {
  const auto tried = search->tried.find(path.remote);
  if (tried == search->tried.end()) return;
  const mrt::ConnectionId before = std::exchange(tried->second, mrt::ConnectionId{});
  search->again.erase(path.remote);
  if (links.contains(before)) hang_up(now, before);
  const Link* link = open_link_on(now, path, Purpose::join, search->key_for(path.remote));
  if (link) search->tried[path.remote] = link->id;
}

/// A socket over which nothing goes any more is not needed.
void Node::State::end_spares(mrt::Instant now) {
  std::erase_if(ports.spares, [this](PortMeeting::Spare& spare) {
    const bool is_new = std::exchange(spare.is_new, false);
    const bool is_used = std::any_of(links.begin(), links.end(), [&](const auto& one) {
      const mrt::Address& local = one.second.path.local;
      return local.port == spare.local.port && local.is_v4() == spare.local.is_v4();
    });
    if (is_new || is_used) return false;
    emit(SocketRequest{SpareEnded{spare.local}});
    return true;
  });
  ports.spare_check = ports.spares.empty() ? mrt::never : now + spare_check_interval;
}

void Node::on_spare(mrt::Instant now, const mrt::Path& path) {
  state_->on_spare(now, path);
  state_->after_input(now);
}

}  // namespace node
