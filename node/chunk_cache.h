// SPDX-License-Identifier: MIT
//
// The supernode's last chunks, least recently used first out: several askers of one file cost
// its holder one reading. Holds whole encoded messages, unverified.
//
// 1. The messages together are at most `bytes_max`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <utility>

#include "mrt/types.h"
#include "node/ids.h"

namespace node {

/// 256 chunks: what askers of one file are apart when they began some seconds one after the other.
inline constexpr size_t chunk_cache_bytes = 16 * 1024 * 1024;

class ChunkCache {
 public:
  explicit ChunkCache(size_t bytes_max = chunk_cache_bytes) : bytes_max_(bytes_max) {}

  /// Replaces what was there for that chunk. One larger than the whole cache is not kept.
  void put(const FileHash& hash, uint64_t chunk, mrt::SharedBytes message);
  /// Null where it is not there; otherwise it counts as used just now.
  mrt::SharedBytes find(const FileHash& hash, uint64_t chunk);
  void erase(const FileHash& hash, uint64_t chunk);
  void clear();
  size_t bytes() const { return bytes_; }
  bool is_consistent() const;

 private:
  using Key = std::pair<FileHash, uint64_t>;
  struct Entry {
    Key key;
    mrt::SharedBytes message;
  };

  size_t bytes_max_;
  size_t bytes_ = 0;
  std::list<Entry> entries_;  // most recently used first
  std::map<Key, std::list<Entry>::iterator> by_key_;
};

}  // namespace node
