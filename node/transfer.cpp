// SPDX-License-Identifier: MIT
#include "node/transfer.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "node/take_first.h"

namespace node {

Transfer::Transfer(const NodeId& self) : self_(self), relay_(outbox_), source_(self, outbox_) {}

void Transfer::on_message(mrt::Instant now, const NodeId& from, mrt::Bytes bytes) {
  const auto message = std::make_shared<const mrt::Bytes>(std::move(bytes));
  const auto parsed = parse_file_message(*message);
  if (!parsed) {
    ++malformed_;
    return;
  }
  if (const auto* fetch = std::get_if<Fetch>(&*parsed)) {
    is_supernode() ? relay_.on_fetch(from, *fetch) : serve(now, from, *fetch);
  } else if (const auto* cancel = std::get_if<CancelFetch>(&*parsed)) {
    is_supernode() ? relay_.on_cancel(from, *cancel) : source_.on_cancel(from, *cancel);
  } else if (const auto* failed = std::get_if<FetchFailed>(&*parsed)) {
    is_supernode() ? relay_.on_failed(from, *failed) : on_failed(now, from, *failed);
  } else if (const auto* chunk = std::get_if<ChunkView>(&*parsed)) {
    if (is_supernode()) {
      relay_.on_chunk(from, {chunk->holder, chunk->hash, chunk->chunk, message});
    } else {
      on_chunk(now, from, *chunk, message);
    }
  }
  settle(now);
}

/// The supernode, or a member who has a connection of its own to this node.
void Transfer::serve(mrt::Instant now, const NodeId& from, const Fetch& fetch) {
  if (from == supernode_) return source_.on_fetch(from, fetch);
  std::erase_if(served_, [now](const auto& one) { return one.second + direct_asker_pause <= now; });
  if (!served_.contains(from) && served_.size() >= direct_askers_max) {
    return put({from, FetchFailed{fetch.holder, fetch.hash, fetch.chunk, FetchFault::busy}});
  }
  served_[from] = now;
  source_.on_fetch(from, fetch);
}

/// From a member that is no supernode only what it was asked for: a wrong one is blamed on whoever
/// was. (While there is no supernode nobody is asked, nor blamed.)
void Transfer::on_chunk(mrt::Instant now, const NodeId& from, const ChunkView& chunk,
                        const mrt::SharedBytes& message) {
  const bool is_relayed = !supernode_ || from == supernode_ || from == self_;
  for (auto& [file, download] : downloads_) {
    if (download.offer().hash != chunk.hash) continue;
    const bool is_owed = from == chunk.holder && download.is_owed(from, chunk.chunk);
    if (is_relayed || is_owed) download.on_chunk(now, chunk, message);
  }
}

void Transfer::on_failed(mrt::Instant now, const NodeId& from, const FetchFailed& failed) {
  if (from != supernode_ && from != self_) {
    if (from != failed.holder) return;
    // It has enough to do beside what the supernode asks of it.
    if (failed.fault == FetchFault::busy) return ask_elsewhere(from);
  }
  for (auto& [file, download] : downloads_) {
    if (download.offer().hash == failed.hash) download.on_failed(now, failed);
  }
}

/// What that holder owes is asked for through the supernode.
void Transfer::ask_elsewhere(const NodeId& holder) {
  if (!refused_.insert(holder).second) return;
  for (auto& [file, download] : downloads_) download.on_way_changed(holder);
}

void Transfer::on_result(mrt::Instant now, const FileResult& result) {
  if (!source_.on_result(result)) {
    const auto file = std::visit([](const auto& r) { return r.file; }, result);
    const auto download = downloads_.find(file);
    if (download != downloads_.end()) download->second.on_result(now, result);
  }
  settle(now);
}

void Transfer::on_timeout(mrt::Instant now) {
  for (auto& [file, download] : downloads_) download.on_timeout(now);
  settle(now);
}

void Transfer::on_supernode(mrt::Instant now, std::optional<NodeId> supernode) {
  if (supernode == supernode_) return;
  if (is_supernode()) relay_.clear();
  supernode_ = supernode;
  if (is_supernode()) {
    // What waits here for those who do not take it would keep the relay's places.
    served_.clear();
    source_.forget_askers();
    outbox_.drop_chunks();
  }
  refused_.clear();  // who did not know this node to be a member yet may by now
  for (auto& [file, download] : downloads_) download.on_route(supernode.has_value());
  settle(now);
}

void Transfer::on_holder(mrt::Instant now, const FileHash& hash, const NodeId& holder) {
  for (auto& [file, download] : downloads_) {
    if (download.offer().hash == hash) download.on_holder(holder);
  }
  settle(now);
}

void Transfer::on_holder_gone(mrt::Instant now, const FileHash& hash, const NodeId& holder) {
  for (auto& [file, download] : downloads_) {
    if (download.offer().hash == hash) download.on_holder_gone(holder);
  }
  settle(now);
}

void Transfer::on_peer_gone(mrt::Instant now, const NodeId& peer) {
  outbox_.on_peer_gone(peer);
  source_.on_peer_gone(peer);
  relay_.on_peer_gone(peer);
  served_.erase(peer);
  if (direct_.erase(peer) > 0) ask_elsewhere(peer);
  refused_.erase(peer);
  settle(now);
}

void Transfer::on_writable(mrt::Instant now, const NodeId& peer) {
  outbox_.on_writable(peer);
  relay_.on_writable(peer);
  settle(now);
}

void Transfer::on_unsent(Outgoing message) {
  const NodeId peer = message.to;
  outbox_.put_back(std::move(message));
  relay_.on_refused(peer);
}

FileToken Transfer::share(mrt::Instant now, const std::string& path) {
  const FileToken file{++tokens_};
  source_.open(file, path);
  settle(now);
  return file;
}

std::optional<Offer> Transfer::unshare(mrt::Instant now, FileToken file) {
  const auto offer = source_.close(file);
  settle(now);
  return offer;
}

FileToken Transfer::download(mrt::Instant now, const Offer& offer,
                             const std::vector<NodeId>& holders) {
  for (const auto& [file, download] : downloads_) {
    if (download.offer() == offer) return file;
  }
  refused_.clear();  // they may have time again
  const FileToken file{++tokens_};
  if (downloads_.size() >= downloads_max) {
    events_.push_back(DownloadFailed{
        file, offer, FileFault::limit,
        "no more than " + std::to_string(downloads_max) + " downloads can be under way"});
    return file;
  }
  Download& download = downloads_.try_emplace(file, now, file, offer, holders).first->second;
  download.on_route(supernode_.has_value());
  settle(now);
  return file;
}

bool Transfer::cancel(mrt::Instant now, FileToken file) {
  const auto download = downloads_.find(file);
  if (download == downloads_.end()) return false;
  download->second.cancel();
  settle(now);
  return true;
}

/// Moves everything that the parts gave out to where it belongs, until nothing moves.
void Transfer::settle(mrt::Instant now) {
  bool moved = true;
  while (moved) {
    share_out(now);
    moved = route_downloads();
    moved = route_relay(now) || moved;
    moved = route_source() || moved;
  }
  std::erase_if(downloads_, [](const auto& entry) { return entry.second.ended(); });
}

/// Each download may have as many chunks under way as the average of what they would have
/// alone: they share one line.
void Transfer::share_out(mrt::Instant now) {
  size_t windows = 0;
  size_t wanting = 0;
  for (const auto& [file, download] : downloads_) {
    if (!download.wants_more()) continue;
    windows += download.window();
    ++wanting;
  }
  if (wanting == 0) return;
  const size_t limit = std::max(std::min(windows, chunks_under_way_max) / wanting, size_t{1});
  for (auto& [file, download] : downloads_) download.ask(now, limit);
}

bool Transfer::route_downloads() {
  bool moved = false;
  for (auto& [file, download] : downloads_) {
    while (const auto send = download.poll_send()) {
      ask(*send);
      moved = true;
    }
    while (auto request = download.poll_request()) requests_.push_back(std::move(*request));
    while (const auto event = download.poll_event()) tell(file, download.offer(), *event);
  }
  return moved;
}

/// Towards the holder, where there is a connection to it, else the supernode; where that is this
/// node, its own relay is asked like anybody's.
void Transfer::ask(const Download::Send& send) {
  if (is_supernode()) {
    if (const auto* fetch = std::get_if<Fetch>(&send)) relay_.on_fetch(self_, *fetch);
    if (const auto* cancel = std::get_if<CancelFetch>(&send)) relay_.on_cancel(self_, *cancel);
  } else if (supernode_) {
    const NodeId& holder =
        std::visit([](const auto& m) -> const NodeId& { return m.holder; }, send);
    const bool is_direct = direct_.contains(holder) && !refused_.contains(holder);
    const auto bytes = std::make_shared<const mrt::Bytes>(
        std::visit([](const auto& message) { return encode(message); }, send));
    if (is_direct) put(holder, mrt::Priority::normal, bytes);
    // What is cancelled may have been asked for before there was another way.
    const bool is_fetch = std::holds_alternative<Fetch>(send);
    if (!is_direct || (!is_fetch && holder != supernode_)) {
      put(*supernode_, mrt::Priority::normal, bytes);
    }
  }
}

bool Transfer::route_relay(mrt::Instant now) {
  bool moved = false;
  while (const auto send = relay_.poll_send(now)) {
    moved = true;
    if (send->to != self_) {
      put(*send);
    } else if (const auto* fetch = std::get_if<Fetch>(&send->message)) {
      source_.on_fetch(self_, *fetch);
    } else if (const auto* cancel = std::get_if<CancelFetch>(&send->message)) {
      source_.on_cancel(self_, *cancel);
    } else if (const auto* failed = std::get_if<FetchFailed>(&send->message)) {
      on_failed(now, self_, *failed);
    } else if (const auto* chunk = std::get_if<EncodedChunk>(&send->message)) {
      relay_.on_sent(now, self_);
      const auto parsed = parse_file_message(*chunk->message);
      on_chunk(now, self_, std::get<ChunkView>(*parsed), chunk->message);
    }
  }
  return moved;
}

bool Transfer::route_source() {
  bool moved = false;
  while (const auto send = source_.poll_send()) {
    moved = true;
    if (send->to != self_) {
      put(*send);
    } else if (const auto* failed = std::get_if<FetchFailed>(&send->message)) {
      relay_.on_failed(self_, *failed);
    } else if (const auto* chunk = std::get_if<EncodedChunk>(&send->message)) {
      relay_.on_chunk(self_, *chunk);
    }
  }
  while (auto request = source_.poll_request()) requests_.push_back(std::move(*request));
  while (const auto event = source_.poll_event()) tell(*event);
  return moved;
}

void Transfer::put(const FileSend& send) {
  if (const auto* chunk = std::get_if<EncodedChunk>(&send.message)) {
    put(send.to, mrt::Priority::bulk, chunk->message);
    return;
  }
  mrt::Bytes bytes;
  if (const auto* fetch = std::get_if<Fetch>(&send.message)) bytes = encode(*fetch);
  if (const auto* cancel = std::get_if<CancelFetch>(&send.message)) bytes = encode(*cancel);
  if (const auto* failed = std::get_if<FetchFailed>(&send.message)) bytes = encode(*failed);
  put(send.to, mrt::Priority::normal, std::make_shared<const mrt::Bytes>(std::move(bytes)));
}

void Transfer::put(const NodeId& to, mrt::Priority priority, mrt::SharedBytes message) {
  outbox_.put({to, priority, std::move(message)});
}

void Transfer::tell(FileToken file, const Offer& offer, const Download::Event& event) {
  if (const auto* progress = std::get_if<Download::Progress>(&event)) {
    events_.push_back(
        TransferProgress{file, offer, progress->bytes, progress->rate, progress->from});
  } else if (const auto* done = std::get_if<Download::Done>(&event)) {
    events_.push_back(Downloaded{file, offer, done->path, done->took, done->was_there});
  } else if (const auto* failed = std::get_if<Download::Failed>(&event)) {
    events_.push_back(DownloadFailed{file, offer, failed->fault, failed->message});
  }
}

void Transfer::tell(const Source::Event& event) {
  if (const auto* opened = std::get_if<Source::Opened>(&event)) {
    events_.push_back(Shared{opened->file, opened->path, opened->offer});
  } else if (const auto* progress = std::get_if<Source::Progress>(&event)) {
    events_.push_back(
        ShareProgress{progress->file, progress->path, progress->bytes, progress->size});
  } else if (const auto* lost = std::get_if<Source::Lost>(&event)) {
    if (lost->offer) {
      events_.push_back(
          SourceLost{lost->file, lost->path, *lost->offer, lost->fault, lost->message});
    } else {
      events_.push_back(ShareFailed{lost->file, lost->path, lost->fault, lost->message});
    }
  }
}

std::optional<Outgoing> Transfer::poll_message(mrt::Instant now) {
  auto message = outbox_.poll();
  if (!message || message->priority != mrt::Priority::bulk) return message;
  // A place became free: the next chunk for this neighbour may be asked for or read.
  relay_.on_sent(now, message->to);
  settle(now);
  return message;
}

std::optional<FileRequest> Transfer::poll_request() { return take_first(requests_); }

std::optional<TransferEvent> Transfer::poll_event() { return take_first(events_); }

mrt::Instant Transfer::next_timeout() const {
  mrt::Instant next = relay_.next_timeout();
  for (const auto& [file, download] : downloads_) next = std::min(next, download.next_timeout());
  return next;
}

std::vector<std::pair<FileToken, Offer>> Transfer::downloads() const {
  std::vector<std::pair<FileToken, Offer>> out;
  for (const auto& [file, download] : downloads_) out.emplace_back(file, download.offer());
  return out;
}

std::vector<NodeId> Transfer::sought() const {
  std::vector<NodeId> out;
  if (is_supernode()) return out;
  for (const auto& [file, download] : downloads_) {
    if (download.offer().size < direct_bytes_min) continue;
    auto holders = download.holders();
    // Each asker begins with others.
    const auto first = std::upper_bound(holders.begin(), holders.end(), self_);
    std::rotate(holders.begin(), first, holders.end());
    for (const NodeId& holder : holders) {
      if (out.size() == direct_holders_max) break;
      const bool known = std::find(out.begin(), out.end(), holder) != out.end();
      if (!known && holder != supernode_) out.push_back(holder);
    }
  }
  std::erase_if(out, [this](const NodeId& holder) { return refused_.contains(holder); });
  return out;
}

std::vector<Offer> Transfer::shared() const { return source_.offers(); }

bool Transfer::is_consistent() const {
  const bool downloads = std::all_of(downloads_.begin(), downloads_.end(), [](const auto& entry) {
    return entry.second.is_consistent();
  });
  return downloads && downloads_.size() <= downloads_max && outbox_.is_consistent() &&
         relay_.is_consistent() && source_.is_consistent();
}

}  // namespace node
