// SPDX-License-Identifier: MIT
#include "node/outbox.h"

#include <utility>
#include <vector>

namespace node {

void Outbox::put(Outgoing message) {
  Peer& peer = peers_[message.to];
  const bool bulk = message.priority == mrt::Priority::bulk;
  if (!bulk && peer.control.size() >= control_messages_max) return;
  if (!peer.blocked) ready_.insert(message.to);
  if (bulk) ++chunks_;
  (bulk ? peer.chunks : peer.control).push_back(std::move(message));
}

void Outbox::put_back(Outgoing message) {
  Peer& peer = peers_[message.to];
  peer.blocked = true;
  ready_.erase(message.to);
  const bool bulk = message.priority == mrt::Priority::bulk;
  if (bulk) ++chunks_;
  (bulk ? peer.chunks : peer.control).push_front(std::move(message));
}

void Outbox::on_writable(const NodeId& id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  peer->second.blocked = false;
  if (peer->second.empty()) {
    peers_.erase(peer);
  } else {
    ready_.insert(id);
  }
}

void Outbox::on_peer_gone(const NodeId& id) {
  ready_.erase(id);
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return;
  chunks_ -= peer->second.chunks.size();
  peers_.erase(peer);
}

std::deque<Outgoing> Outbox::take_chunks(const NodeId& id) {
  const auto peer = peers_.find(id);
  if (peer == peers_.end()) return {};
  chunks_ -= peer->second.chunks.size();
  std::deque<Outgoing> out = std::exchange(peer->second.chunks, {});
  if (peer->second.empty()) ready_.erase(id);
  if (peer->second.empty() && !peer->second.blocked) peers_.erase(peer);
  return out;
}

void Outbox::drop_chunks() {
  std::vector<NodeId> all;
  for (const auto& [id, peer] : peers_) all.push_back(id);
  for (const NodeId& id : all) take_chunks(id);
}

std::optional<Outgoing> Outbox::poll() {
  if (ready_.empty()) return std::nullopt;
  auto turn = ready_.upper_bound(last_);
  if (turn == ready_.end()) turn = ready_.begin();
  last_ = *turn;
  const auto peer = peers_.find(last_);
  std::deque<Outgoing>& queue =
      peer->second.control.empty() ? peer->second.chunks : peer->second.control;
  Outgoing message = std::move(queue.front());
  queue.pop_front();
  if (message.priority == mrt::Priority::bulk) --chunks_;
  if (peer->second.empty()) {
    ready_.erase(turn);
    peers_.erase(peer);
  }
  return message;
}

bool Outbox::is_blocked(const NodeId& id) const {
  const auto peer = peers_.find(id);
  return peer != peers_.end() && peer->second.blocked;
}

size_t Outbox::unsent(const NodeId& id) const {
  const auto peer = peers_.find(id);
  return peer == peers_.end() ? 0 : peer->second.chunks.size();
}

bool Outbox::is_consistent() const {
  size_t chunks = 0;
  for (const auto& [id, peer] : peers_) {
    chunks += peer.chunks.size();
    if (peer.empty() && !peer.blocked) return false;
    if (ready_.contains(id) != (!peer.empty() && !peer.blocked)) return false;
  }
  return chunks == chunks_ && ready_.size() <= peers_.size();
}

}  // namespace node
