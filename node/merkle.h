// SPDX-License-Identifier: MIT
//
// The hash of a file: the root of its BitTorrent v2 tree (BEP 52). Leaves are SHA-256 of
// blocks of 16 KiB (the last one as short as it is); leaves beyond the end are zero, up to a
// power of two; a parent is SHA-256 of its two children. A file of one block is its own root,
// and the empty file is SHA-256 of nothing.
// A chunk is what travels: four blocks, aligned, with the siblings on its way to the root.
//
// 1. Verifying is pure: (root, size, index, bytes, proof) and nothing else.
// 2. A HashTree keeps the top of the tree only, at most 8,191 hashes (256 KiB) whatever the
//    size of the file; what lies below is hashed again from the file, one piece at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "mrt/base/bytes.h"
#include "node/ids.h"

namespace node {

inline constexpr size_t block_bytes = 16 * 1024;  // BEP 52
inline constexpr size_t blocks_per_chunk = 4;
inline constexpr size_t chunk_bytes_max = blocks_per_chunk * block_bytes;
/// No file system of today holds more, and sums of offsets stay far from 2^64.
inline constexpr uint64_t file_bytes_max = uint64_t{1} << 60;
/// 2^60 bytes are 2^44 chunks: so many levels lie above them.
inline constexpr size_t proof_hashes_max = 44;

uint64_t chunk_count(uint64_t file_size);
/// Bytes of that chunk. REQUIRES: index < chunk_count(file_size).
size_t chunk_size(uint64_t file_size, uint64_t index);
/// Hashes in the proof of each of its chunks: the levels between chunks and root.
size_t proof_size(uint64_t file_size);

FileHash sha256(mrt::ByteView bytes);
FileHash hash_of_children(const FileHash& left, const FileHash& right);
/// The root of a subtree over a chunk that is all padding, `level` levels above the chunks.
const FileHash& padding_hash(size_t level);
/// The root over one chunk. In a file of at most one chunk that is the file's own root, and
/// the tree is only as high as the file needs. REQUIRES: bytes.size() <= chunk_bytes_max.
FileHash hash_of_chunk(uint64_t file_size, mrt::ByteView bytes);
/// Whether these bytes are that chunk of the file with this root. Any input may be hostile.
bool verify_chunk(const FileHash& root, uint64_t file_size, uint64_t index, mrt::ByteView bytes,
                  std::span<const FileHash> proof);

/// Complete rows of a tree, from some row up to its top, padded as BEP 52 says.
class HashRows {
 public:
  /// `lowest` are nodes `level` levels above the chunks; the top is `height` levels higher.
  /// REQUIRES: 1 <= lowest.size() <= 2^height.
  HashRows(std::vector<FileHash> lowest, size_t level, size_t height);

  const FileHash& top() const { return rows_.back().front(); }
  const FileHash& lowest(uint64_t index) const { return rows_.front()[index]; }
  /// The siblings on the way from that node of the lowest row to the top.
  void append_siblings(uint64_t index, std::vector<FileHash>& out) const;

 private:
  size_t level_;
  std::vector<std::vector<FileHash>> rows_;  // padding is not stored
};

/// The top of a file's tree: all nodes from the root down to a row of *pieces*, each of which
/// stands for 2^n chunks.
class HashTree {
 public:
  uint64_t file_size() const { return file_size_; }
  const FileHash& root() const { return top_.top(); }
  /// A power of two; 1 for files of up to 256 MiB.
  uint64_t chunks_per_piece() const { return uint64_t{1} << piece_level_; }
  const FileHash& piece(uint64_t index) const { return top_.lowest(index); }
  /// Chunks of that piece: fewer than chunks_per_piece() in the last.
  uint64_t chunks_in_piece(uint64_t piece) const;
  /// The piece's inner rows from the hashes of its chunks; nothing where they are not what
  /// they were when the tree was built. REQUIRES: chunks.size() == chunks_in_piece(piece).
  std::optional<HashRows> piece_rows(uint64_t piece, std::vector<FileHash> chunks) const;
  /// The siblings of a chunk from the lowest to below the root. `rows`: piece_rows() of the
  /// piece that it is in.
  std::vector<FileHash> proof(uint64_t chunk, const HashRows& rows) const;

 private:
  friend class HashTreeBuilder;
  HashTree(uint64_t file_size, size_t piece_level, HashRows top);

  uint64_t file_size_;
  size_t piece_level_;
  HashRows top_;
};

/// Takes the chunks' hashes in order and gives the tree; holds no more than the tree itself.
class HashTreeBuilder {
 public:
  /// REQUIRES: file_size <= file_bytes_max.
  explicit HashTreeBuilder(uint64_t file_size);
  /// REQUIRES: fewer than chunk_count(file_size) were added.
  void add(const FileHash& chunk);
  /// REQUIRES: chunk_count(file_size) chunks were added.
  HashTree finish();

 private:
  void close_piece();

  uint64_t file_size_;
  size_t piece_level_;
  uint64_t chunks_added_ = 0;
  std::vector<FileHash> pieces_;
  std::vector<FileHash> pending_;  // roots in the unfinished piece: one for each 1 bit of its count
};

}  // namespace node
