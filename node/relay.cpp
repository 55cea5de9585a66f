// SPDX-License-Identifier: MIT
#include "node/relay.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "node/take_first.h"

namespace node {

void Relay::on_fetch(const NodeId& peer, const Fetch& fetch) {
  const auto [entry, is_new] = askers_.try_emplace(peer);
  Asker& asker = entry->second;
  if (is_new) by_progress_.emplace(asker.since, peer);
  if (asker.waiting.size() >= fetches_waiting_per_asker_max ||
      waiting_count_ >= fetches_waiting_max) {
    refuse(peer, fetch, FetchFault::busy);
    return;
  }
  asker.waiting.push_back(fetch);
  ++waiting_count_;
  note(peer);
}

void Relay::on_cancel(const NodeId& peer, const CancelFetch& cancel) {
  const auto found = askers_.find(peer);
  if (found == askers_.end()) return;
  Asker& asker = found->second;
  const auto is_meant = [&](const Fetch& fetch) {
    return fetch.holder == cancel.holder && fetch.hash == cancel.hash &&
           fetch.chunk == cancel.chunk;
  };
  waiting_count_ -= std::erase_if(asker.waiting, is_meant);
  auto entry = asker.under_way.lower_bound({cancel.hash, cancel.chunk, NodeId{}});
  while (entry != asker.under_way.end() && entry->second.hash == cancel.hash &&
         entry->second.chunk == cancel.chunk) {
    const Key key = entry->first;
    const bool meant = is_meant(entry->second);
    ++entry;
    if (meant) leave(peer, key);
  }
  note(peer);
}

/// The asker waits for this chunk no longer; the last one to leave cancels the fetch itself. The
/// key is a copy: it is taken out of the very maps that it may come from.
void Relay::leave(const NodeId& peer, Key key) {
  in_hand_ -= askers_.at(peer).under_way.erase(key);
  const auto entry = under_way_.find(key);
  entry->second.erase(peer);
  if (!entry->second.empty()) return;
  under_way_.erase(entry);
  const auto& [hash, chunk, holder] = key;
  sends_.push_back({holder, CancelFetch{holder, hash, chunk}});
}

void Relay::on_chunk(const NodeId& from, const EncodedChunk& chunk) {
  if (chunk.holder != from) return;
  const Key key{chunk.hash, chunk.chunk, chunk.holder};
  const auto entry = under_way_.extract(key);
  if (entry.empty()) return;  // cancelled, or never asked for
  cache_.put(chunk.hash, chunk.chunk, chunk.message);
  for (const NodeId& peer : entry.mapped()) {
    in_hand_ -= askers_.at(peer).under_way.erase(key);
    sends_.push_back({peer, chunk});
    note(peer);
  }
}

void Relay::on_failed(const NodeId& from, const FetchFailed& failed) {
  if (failed.holder != from) return;
  fail({failed.hash, failed.chunk, failed.holder}, failed.fault);
}

/// Those who had named this holder are told; those who had only joined are served by their own.
void Relay::fail(const Key& key, FetchFault fault) {
  const auto entry = under_way_.extract(key);
  if (entry.empty()) return;
  for (const NodeId& peer : entry.mapped()) {
    Asker& asker = askers_.at(peer);
    const auto own = asker.under_way.extract(key);
    --in_hand_;
    const Fetch& fetch = own.mapped();
    if (fetch.holder == std::get<NodeId>(key)) {
      refuse(peer, fetch, fault);
    } else {
      asker.waiting.push_front(fetch);
      ++waiting_count_;
    }
    note(peer);
  }
}

void Relay::refuse(const NodeId& peer, const Fetch& fetch, FetchFault fault) {
  sends_.push_back({peer, FetchFailed{fetch.holder, fetch.hash, fetch.chunk, fault}});
}

void Relay::on_peer_gone(const NodeId& peer) {
  if (const auto asker = askers_.find(peer); asker != askers_.end()) {
    while (!asker->second.under_way.empty()) leave(peer, asker->second.under_way.begin()->first);
    waiting_count_ -= asker->second.waiting.size();
    by_progress_.erase({asker->second.since, peer});
    askers_.erase(asker);
    active_.erase(peer);
    ready_.erase(peer);
  }
  std::deque<Key> lost;
  for (const auto& [key, entry] : under_way_) {
    if (std::get<NodeId>(key) == peer) lost.push_back(key);
  }
  for (const Key& key : lost) fail(key, FetchFault::holder_gone);
}

void Relay::on_sent(mrt::Instant now, const NodeId& peer) {
  const auto asker = askers_.find(peer);
  if (asker == askers_.end()) return;
  asker->second.limit = std::min(asker->second.limit + 1, chunks_in_hand_per_asker_max);
  note_progress(now, peer, asker->second);
  note(peer);
}

void Relay::on_refused(const NodeId& peer) {
  const auto asker = askers_.find(peer);
  if (asker == askers_.end()) return;
  asker->second.limit = std::max(asker->second.limit / 2, chunks_in_hand_per_asker_min);
  note(peer);
}

void Relay::on_writable(const NodeId& peer) { note(peer); }

void Relay::clear() {
  cache_.clear();
  askers_.clear();
  under_way_.clear();
  active_.clear();
  ready_.clear();
  by_progress_.clear();
  sends_.clear();
  waiting_count_ = 0;
  in_hand_ = 0;
}

bool Relay::may_take(const NodeId& peer, const Asker& asker) const {
  if (outbox_.is_blocked(peer)) return false;
  const size_t share =
      std::max(chunks_in_hand_max / std::max(active_.size(), size_t{1}), size_t{1});
  return asker.under_way.size() + outbox_.unsent(peer) < std::min(asker.limit, share);
}

/// Keeps the sets in step after anything changed for this asker.
void Relay::note(const NodeId& peer) {
  const auto found = askers_.find(peer);
  if (found == askers_.end()) return;
  const Asker& asker = found->second;
  if (asker.waiting.empty() && asker.under_way.empty()) {
    active_.erase(peer);
  } else {
    active_.insert(peer);
  }
  if (!asker.waiting.empty() && may_take(peer, asker)) {
    ready_.insert(peer);
  } else {
    ready_.erase(peer);
  }
}

std::optional<FileSend> Relay::poll_send(mrt::Instant now) {
  while (sends_.empty() && !ready_.empty()) {
    take_idle_places(now);
    if (is_full()) break;
    auto turn = ready_.upper_bound(last_);
    if (turn == ready_.end()) turn = ready_.begin();
    last_ = *turn;
    Asker& asker = askers_.at(last_);
    if (may_take(last_, asker)) admit(now, last_, asker);
    note(last_);
  }
  return take_first(sends_);
}

mrt::Instant Relay::next_timeout() const {
  if (ready_.empty() || !is_full()) return mrt::never;
  return by_progress_.begin()->first + idle_places_max;
}

void Relay::note_progress(mrt::Instant now, const NodeId& peer, Asker& asker) {
  by_progress_.erase({asker.since, peer});
  asker.since = now;
  by_progress_.emplace(now, peer);
}

void Relay::take_idle_places(mrt::Instant now) {
  while (next_timeout() <= now) {
    const NodeId peer = by_progress_.begin()->second;
    Asker& asker = askers_.at(peer);
    note_progress(now, peer, asker);
    take_places(peer, asker);
  }
}

/// What it fetches has failed, as if the holder were gone; what it had only joined, its own holder
/// is asked for. What its connection does not take is fetched again when it does: nobody
/// needs to be told.
void Relay::take_places(const NodeId& peer, Asker& asker) {
  while (!asker.under_way.empty()) {
    auto [key, fetch] = *asker.under_way.begin();
    leave(peer, key);
    if (fetch.holder == std::get<NodeId>(key)) {
      refuse(peer, fetch, FetchFault::holder_gone);
      continue;
    }
    fetch.fresh = true;
    asker.waiting.push_front(fetch);
    ++waiting_count_;
  }
  std::deque<Outgoing> untaken = outbox_.take_chunks(peer);
  waiting_count_ += untaken.size();
  for (; !untaken.empty(); untaken.pop_back()) {
    const auto chunk = std::get<ChunkView>(*parse_file_message(*untaken.back().message));
    asker.waiting.push_front({chunk.holder, chunk.hash, chunk.chunk});
  }
  note(peer);
}

void Relay::admit(mrt::Instant now, const NodeId& peer, Asker& asker) {
  if (asker.under_way.empty() && outbox_.unsent(peer) == 0) note_progress(now, peer, asker);
  const Fetch fetch = asker.waiting.front();
  asker.waiting.pop_front();
  --waiting_count_;
  if (fetch.fresh) {
    cache_.erase(fetch.hash, fetch.chunk);
  } else if (const auto cached = cache_.find(fetch.hash, fetch.chunk)) {
    sends_.push_back({peer, EncodedChunk{fetch.holder, fetch.hash, fetch.chunk, cached}});
    return;
  }
  const auto others = fetch.fresh ? std::nullopt : joinable(fetch);
  const Key key = others.value_or(key_of(fetch));
  if (!others) sends_.push_back({fetch.holder, fetch});
  under_way_[key].insert(peer);
  if (asker.under_way.emplace(key, fetch).second) ++in_hand_;
}

/// A fetch of the same chunk that is under way, from any holder.
std::optional<Relay::Key> Relay::joinable(const Fetch& fetch) const {
  const auto first = under_way_.lower_bound({fetch.hash, fetch.chunk, NodeId{}});
  if (first == under_way_.end()) return std::nullopt;
  const auto& [hash, chunk, holder] = first->first;
  if (hash != fetch.hash || chunk != fetch.chunk) return std::nullopt;
  return first->first;
}

bool Relay::is_consistent() const {
  size_t waiting = 0;
  size_t in_hand = 0;
  for (const auto& [peer, asker] : askers_) {
    waiting += asker.waiting.size();
    in_hand += asker.under_way.size();
    if (asker.waiting.empty() && ready_.contains(peer)) return false;
    if (!by_progress_.contains({asker.since, peer})) return false;
    for (const auto& [key, fetch] : asker.under_way) {
      const auto entry = under_way_.find(key);
      if (entry == under_way_.end() || !entry->second.contains(peer)) return false;
    }
  }
  size_t askers = 0;
  for (const auto& [key, entry] : under_way_) {
    if (entry.empty()) return false;
    askers += entry.size();
  }
  return waiting == waiting_count_ && in_hand == in_hand_ && askers == in_hand_ &&
         waiting_count_ + in_hand_ <= fetches_waiting_max + chunks_in_hand_max &&
         cache_.is_consistent();
}

}  // namespace node
