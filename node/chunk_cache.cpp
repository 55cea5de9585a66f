// SPDX-License-Identifier: MIT
#include "node/chunk_cache.h"

namespace node {

void ChunkCache::put(const FileHash& hash, uint64_t chunk, mrt::SharedBytes message) {
  erase(hash, chunk);
  if (message->size() > bytes_max_) return;
  bytes_ += message->size();
  entries_.push_front({{hash, chunk}, std::move(message)});
  by_key_[{hash, chunk}] = entries_.begin();
  while (bytes_ > bytes_max_) {
    const Key oldest = entries_.back().key;
    erase(oldest.first, oldest.second);
  }
}

mrt::SharedBytes ChunkCache::find(const FileHash& hash, uint64_t chunk) {
  const auto found = by_key_.find({hash, chunk});
  if (found == by_key_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, found->second);
  return entries_.front().message;
}

void ChunkCache::erase(const FileHash& hash, uint64_t chunk) {
  const auto found = by_key_.find({hash, chunk});
  if (found == by_key_.end()) return;
  bytes_ -= found->second->message->size();
  entries_.erase(found->second);
  by_key_.erase(found);
}

void ChunkCache::clear() {
  entries_.clear();
  by_key_.clear();
  bytes_ = 0;
}

bool ChunkCache::is_consistent() const {
  size_t bytes = 0;
  for (const Entry& entry : entries_) {
    bytes += entry.message->size();
    const auto found = by_key_.find(entry.key);
    if (found == by_key_.end() || found->second->message != entry.message) return false;
  }
  return bytes == bytes_ && bytes_ <= bytes_max_ && by_key_.size() == entries_.size();
}

}  // namespace node
