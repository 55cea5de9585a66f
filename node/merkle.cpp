// SPDX-License-Identifier: MIT
#include "node/merkle.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <bit>

#include "mrt/base/check.h"

namespace node {
namespace {

/// Pieces of a HashTree at most: with all the rows above them 8,191 hashes.
constexpr uint64_t pieces_max = 4'096;

/// Fetched once: asking the provider for it at each hash would cost more than hashing a pair.
const EVP_MD* sha256_algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  CHECK(algorithm != nullptr);
  return algorithm;
}

size_t levels_above(uint64_t nodes) {
  return nodes <= 1 ? 0 : static_cast<size_t>(std::bit_width(nodes - 1));
}

FileHash hash_of_row(std::span<FileHash> row) {
  while (row.size() > 1) {
    for (size_t i = 0; i < row.size() / 2; ++i) {
      row[i] = hash_of_children(row[2 * i], row[2 * i + 1]);
    }
    row = row.first(row.size() / 2);
  }
  return row.front();
}

size_t piece_level_of(uint64_t file_size) {
  size_t level = 0;
  while (levels_above(chunk_count(file_size)) > level + levels_above(pieces_max)) ++level;
  return level;
}

}  // namespace

uint64_t chunk_count(uint64_t file_size) {
  return file_size / chunk_bytes_max + (file_size % chunk_bytes_max != 0 ? 1 : 0);
}

size_t chunk_size(uint64_t file_size, uint64_t index) {
  CHECK(index < chunk_count(file_size));
  return static_cast<size_t>(
      std::min<uint64_t>(chunk_bytes_max, file_size - index * chunk_bytes_max));
}

size_t proof_size(uint64_t file_size) { return levels_above(chunk_count(file_size)); }

FileHash sha256(mrt::ByteView bytes) {
  FileHash out;
  CHECK(EVP_Digest(bytes.data(), bytes.size(), out.bytes.data(), nullptr, sha256_algorithm(),
                   nullptr) == 1);
  return out;
}

FileHash hash_of_children(const FileHash& left, const FileHash& right) {
  std::array<uint8_t, 64> both;
  std::copy(left.bytes.begin(), left.bytes.end(), both.begin());
  std::copy(right.bytes.begin(), right.bytes.end(), both.begin() + 32);
  return sha256(both);
}

// BEP 52: "The remaining leaf hashes beyond the end of the file required to construct upper
// layers of the merkle tree are set to zero."
const FileHash& padding_hash(size_t level) {
  static const auto hashes = [] {
    std::array<FileHash, proof_hashes_max + 1> out;
    std::array<FileHash, blocks_per_chunk> leaves{};
    out[0] = hash_of_row(leaves);
    for (size_t i = 1; i < out.size(); ++i) out[i] = hash_of_children(out[i - 1], out[i - 1]);
    return out;
  }();
  CHECK(level < hashes.size());
  return hashes[level];
}

FileHash hash_of_chunk(uint64_t file_size, mrt::ByteView bytes) {
  CHECK(bytes.size() <= chunk_bytes_max);
  if (bytes.empty()) return sha256(bytes);
  std::array<FileHash, blocks_per_chunk> leaves{};
  size_t blocks = 0;
  while (!bytes.empty()) {
    const size_t size = std::min(bytes.size(), block_bytes);
    leaves[blocks++] = sha256(bytes.first(size));
    bytes = bytes.subspan(size);
  }
  // A file of one chunk has a tree no higher than its blocks need.
  const size_t width = file_size <= chunk_bytes_max ? std::bit_ceil(blocks) : blocks_per_chunk;
  return hash_of_row(std::span(leaves).first(width));
}

bool verify_chunk(const FileHash& root, uint64_t file_size, uint64_t index, mrt::ByteView bytes,
                  std::span<const FileHash> proof) {
  if (file_size > file_bytes_max || index >= chunk_count(file_size)) return false;
  if (bytes.size() != chunk_size(file_size, index)) return false;
  if (proof.size() != proof_size(file_size)) return false;
  FileHash hash = hash_of_chunk(file_size, bytes);
  for (const FileHash& sibling : proof) {
    hash = index % 2 == 0 ? hash_of_children(hash, sibling) : hash_of_children(sibling, hash);
    index /= 2;
  }
  return hash == root;
}

HashRows::HashRows(std::vector<FileHash> lowest, size_t level, size_t height) : level_(level) {
  CHECK(!lowest.empty() && levels_above(lowest.size()) <= height);
  rows_.push_back(std::move(lowest));
  for (size_t i = 0; i < height; ++i) {
    const std::vector<FileHash>& below = rows_.back();
    std::vector<FileHash> row;
    row.reserve((below.size() + 1) / 2);
    for (size_t j = 0; j < below.size(); j += 2) {
      const FileHash& right = j + 1 < below.size() ? below[j + 1] : padding_hash(level + i);
      row.push_back(hash_of_children(below[j], right));
    }
    rows_.push_back(std::move(row));
  }
}

void HashRows::append_siblings(uint64_t index, std::vector<FileHash>& out) const {
  for (size_t i = 0; i + 1 < rows_.size(); ++i) {
    const uint64_t sibling = index ^ 1;
    out.push_back(sibling < rows_[i].size() ? rows_[i][sibling] : padding_hash(level_ + i));
    index /= 2;
  }
}

HashTree::HashTree(uint64_t file_size, size_t piece_level, HashRows top)
    : file_size_(file_size), piece_level_(piece_level), top_(std::move(top)) {}

uint64_t HashTree::chunks_in_piece(uint64_t piece) const {
  const uint64_t first = piece << piece_level_;
  return std::min(chunks_per_piece(), chunk_count(file_size_) - first);
}

std::optional<HashRows> HashTree::piece_rows(uint64_t piece, std::vector<FileHash> chunks) const {
  CHECK(chunks.size() == chunks_in_piece(piece));
  HashRows rows(std::move(chunks), 0, piece_level_);
  if (rows.top() != top_.lowest(piece)) return std::nullopt;
  return rows;
}

std::vector<FileHash> HashTree::proof(uint64_t chunk, const HashRows& rows) const {
  std::vector<FileHash> out;
  out.reserve(proof_size(file_size_));
  rows.append_siblings(chunk % chunks_per_piece(), out);
  top_.append_siblings(chunk >> piece_level_, out);
  return out;
}

HashTreeBuilder::HashTreeBuilder(uint64_t file_size)
    : file_size_(file_size), piece_level_(piece_level_of(file_size)) {
  CHECK(file_size <= file_bytes_max);
}

// As a binary counter: two roots of the same height become one of the next.
void HashTreeBuilder::add(const FileHash& chunk) {
  CHECK(chunks_added_ < chunk_count(file_size_));
  FileHash root = chunk;
  const uint64_t in_piece = chunks_added_ % (uint64_t{1} << piece_level_);
  for (uint64_t bits = in_piece; bits % 2 == 1; bits /= 2) {
    root = hash_of_children(pending_.back(), root);
    pending_.pop_back();
  }
  pending_.push_back(root);
  ++chunks_added_;
  if (in_piece + 1 == uint64_t{1} << piece_level_) close_piece();
}

// What is missing in the last piece is padding: each pending root is raised to the height of
// the one before it.
void HashTreeBuilder::close_piece() {
  const uint64_t count = (chunks_added_ - 1) % (uint64_t{1} << piece_level_) + 1;
  const size_t lowest = static_cast<size_t>(std::countr_zero(count));
  FileHash root = pending_.back();
  pending_.pop_back();
  for (size_t level = lowest; level < piece_level_; ++level) {
    if ((count >> level) % 2 == 1 && level != lowest) {
      root = hash_of_children(pending_.back(), root);
      pending_.pop_back();
    } else {
      root = hash_of_children(root, padding_hash(level));
    }
  }
  CHECK(pending_.empty());
  pieces_.push_back(root);
}

HashTree HashTreeBuilder::finish() {
  CHECK(chunks_added_ == chunk_count(file_size_));
  if (!pending_.empty()) close_piece();
  if (pieces_.empty()) pieces_.push_back(sha256({}));
  const size_t height = levels_above(pieces_.size());
  return HashTree(file_size_, piece_level_, HashRows(std::move(pieces_), piece_level_, height));
}

}  // namespace node
