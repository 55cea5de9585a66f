// SPDX-License-Identifier: MIT
#include "node/source.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/take_first.h"

namespace node {
namespace {

FetchFault fetch_fault_of(FileFault fault) {
  return fault == FileFault::changed ? FetchFault::changed : FetchFault::unreadable;
}

}  // namespace

void Source::open(FileToken file, const std::string& path) {
  if (!is_file_name(base_name(path))) {
    events_.push_back(Lost{file, path, std::nullopt, FileFault::name,
                           "its name has characters that others could not store"});
    return;
  }
  if (files_.size() >= offers_per_holder_max) {
    events_.push_back(
        Lost{file, path, std::nullopt, FileFault::limit,
             "no more than " + std::to_string(offers_per_holder_max) + " files can be offered"});
    return;
  }
  files_[file].path = path;
  requests_.push_back(OpenSource{file, path});
}

std::optional<Offer> Source::close(FileToken file) {
  const auto entry = files_.find(file);
  if (entry == files_.end()) return std::nullopt;
  requests_.push_back(CloseFile{file});
  return take_out(file, FetchFault::unknown_file).offer;
}

void Source::on_fetch(const NodeId& from, const Fetch& fetch) {
  // Who asks for another's chunk takes this node for the supernode: it will know better soon.
  if (fetch.holder != self_) return refuse(from, fetch, FetchFault::busy);
  const auto file = serving(fetch.hash);
  if (!file || fetch.chunk >= chunk_count(files_.at(*file).offer->size)) {
    return refuse(from, fetch, FetchFault::unknown_file);
  }
  Asker& asker = askers_[from];
  if (asker.queued.size() >= fetches_queued_max) return refuse(from, fetch, FetchFault::busy);
  asker.queued.push_back(fetch);
}

void Source::on_cancel(const NodeId& from, const CancelFetch& cancel) {
  const auto asker = askers_.find(from);
  if (asker == askers_.end()) return;
  std::erase_if(asker->second.queued, [&](const Fetch& fetch) {
    return fetch.hash == cancel.hash && fetch.chunk == cancel.chunk;
  });
  forget_if_idle(from);
}

void Source::on_peer_gone(const NodeId& peer) {
  for (auto& [key, waiting] : reads_) std::erase(waiting, peer);
  askers_.erase(peer);
}

void Source::forget_askers() {
  for (auto& [key, waiting] : reads_) waiting.clear();
  askers_.clear();
}

bool Source::on_result(const FileResult& result) {
  const auto file = std::visit([](const auto& r) { return r.file; }, result);
  const auto entry = files_.find(file);
  if (entry == files_.end()) return false;
  if (const auto* progress = std::get_if<HashProgress>(&result)) {
    events_.push_back(Progress{file, entry->second.path, progress->bytes, progress->size});
  } else if (const auto* opened = std::get_if<SourceOpened>(&result)) {
    on_opened(*opened);
  } else if (const auto* read = std::get_if<ChunkRead>(&result)) {
    on_read(*read);
  } else if (const auto* failed = std::get_if<FileFailed>(&result)) {
    lose(file, failed->fault, failed->message);
  }
  return true;
}

void Source::on_opened(const SourceOpened& opened) {
  File& file = files_.at(opened.file);
  file.offer = Offer{std::string(base_name(file.path)), opened.size, opened.hash};
  by_hash_[opened.hash].insert(opened.file);
  events_.push_back(Opened{opened.file, file.path, *file.offer});
}

void Source::on_read(const ChunkRead& read) {
  const auto entry = reads_.extract({read.file, read.chunk});
  if (entry.empty()) return;
  const FileHash& hash = files_.at(read.file).offer->hash;
  for (const NodeId& peer : entry.mapped()) {
    --askers_.at(peer).reading;
    forget_if_idle(peer);
    sends_.push_back({peer, EncodedChunk{self_, hash, read.chunk, read.message}});
  }
}

void Source::lose(FileToken file, FileFault fault, const std::string& message) {
  const File lost = take_out(file, fetch_fault_of(fault));
  events_.push_back(Lost{file, lost.path, lost.offer, fault, message});
}

/// Ends a file. What waited for it is served by another file with the same content, where there
/// is one, and refused otherwise.
Source::File Source::take_out(FileToken token, FetchFault fault) {
  File file = std::move(files_.extract(token).mapped());
  if (!file.offer) return file;
  const FileHash& hash = file.offer->hash;
  const auto same_hash = by_hash_.find(hash);
  same_hash->second.erase(token);
  if (same_hash->second.empty()) by_hash_.erase(same_hash);

  auto read = reads_.lower_bound({token, 0});
  while (read != reads_.end() && read->first.first == token) {
    for (const NodeId& peer : read->second) {
      Asker& asker = askers_.at(peer);
      --asker.reading;
      asker.queued.push_front({self_, hash, read->first.second});
    }
    read = reads_.erase(read);
  }
  if (!serving(hash)) refuse_queued(hash, fault);
  return file;
}

void Source::refuse_queued(const FileHash& hash, FetchFault fault) {
  for (auto& [peer, asker] : askers_) {
    for (const Fetch& fetch : asker.queued) {
      if (fetch.hash == hash) refuse(peer, fetch, fault);
    }
    std::erase_if(asker.queued, [&](const Fetch& fetch) { return fetch.hash == hash; });
  }
  std::erase_if(askers_, [](const auto& entry) { return entry.second.is_idle(); });
}

void Source::refuse(const NodeId& to, const Fetch& fetch, FetchFault fault) {
  sends_.push_back({to, FetchFailed{fetch.holder, fetch.hash, fetch.chunk, fault}});
}

std::optional<FileToken> Source::serving(const FileHash& hash) const {
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return std::nullopt;
  return *found->second.begin();
}

void Source::forget_if_idle(const NodeId& peer) {
  const auto asker = askers_.find(peer);
  if (asker != askers_.end() && asker->second.is_idle()) askers_.erase(asker);
}

bool Source::may_read(const NodeId& peer, const Asker& asker) const {
  return !asker.queued.empty() && !outbox_.is_blocked(peer) &&
         asker.reading + outbox_.unsent(peer) < reads_max;
}

/// Askers take turns, one chunk each.
void Source::start_reads() {
  size_t refused = 0;
  while (refused < askers_.size()) {
    auto turn = askers_.upper_bound(last_);
    if (turn == askers_.end()) turn = askers_.begin();
    last_ = turn->first;
    if (may_read(turn->first, turn->second)) {
      start_read(turn->first, turn->second);
      refused = 0;
    } else {
      ++refused;
    }
  }
}

void Source::start_read(const NodeId& peer, Asker& asker) {
  const Fetch fetch = asker.queued.front();
  asker.queued.pop_front();
  const auto file = serving(fetch.hash);
  CHECK(file);  // what is queued for a file that ends is refused at once
  ++asker.reading;
  const auto [read, is_new] = reads_.try_emplace({*file, fetch.chunk});
  read->second.push_back(peer);
  if (is_new) {
    requests_.push_back(ReadChunk{*file, fetch.chunk, chunk_head(self_, fetch.hash, fetch.chunk)});
  }
}

std::optional<FileSend> Source::poll_send() { return take_first(sends_); }

std::optional<FileRequest> Source::poll_request() {
  if (requests_.empty() && sends_.empty()) start_reads();
  return take_first(requests_);
}

std::optional<Source::Event> Source::poll_event() { return take_first(events_); }

std::vector<Offer> Source::offers() const {
  std::vector<Offer> out;
  for (const auto& [token, file] : files_) {
    if (file.offer) out.push_back(*file.offer);
  }
  return out;
}

bool Source::is_consistent() const {
  std::map<NodeId, size_t> reading;
  for (const auto& [key, peers] : reads_) {
    if (!files_.contains(key.first)) return false;
    for (const NodeId& peer : peers) ++reading[peer];
  }
  for (const auto& [peer, asker] : askers_) {
    if (asker.reading != reading[peer] || asker.is_idle()) return false;
    if (asker.queued.size() > fetches_queued_max + reads_max) return false;
  }
  for (const auto& [hash, tokens] : by_hash_) {
    for (const FileToken token : tokens) {
      const auto file = files_.find(token);
      if (file == files_.end() || file->second.offer->hash != hash) return false;
    }
  }
  return true;
}

}  // namespace node
