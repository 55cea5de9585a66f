// SPDX-License-Identifier: MIT
//
// Hashes an open file from its beginning, in slices as long as the caller likes, so that a
// long file holds up nobody. Blocking; the descriptor is the caller's.
#pragma once

#include <cstdint>

#include "node/merkle.h"

namespace node::uv {

/// Some 10 ms of hashing, or one read of a rotating disk's buffer.
inline constexpr uint64_t hash_slice_bytes = 16 * 1024 * 1024;

class FileHasher {
 public:
  enum class State : uint8_t { going_on, done, cut_short, failed };

  FileHasher(int fd, uint64_t size) : fd_(fd), size_(size), builder_(size) {}

  /// One slice. `cut_short`: the file ended before `size`; `failed`: errno says why.
  State go_on();
  uint64_t position() const { return position_; }
  /// REQUIRES: go_on() said done.
  HashTree tree() { return builder_.finish(); }

 private:
  int fd_;
  uint64_t size_;
  uint64_t position_ = 0;
  HashTreeBuilder builder_;
  mrt::Bytes buffer_;
};

/// pread(2) until the buffer is full, the file ends or it fails (-1): how many bytes.
ssize_t read_fully(int fd, mrt::MutableBytes out, uint64_t offset);

}  // namespace node::uv
