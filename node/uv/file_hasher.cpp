// SPDX-License-Identifier: MIT
#include "node/uv/file_hasher.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace node::uv {
namespace {

/// A multiple of a chunk that stays in a core's cache while it is hashed.
constexpr size_t read_bytes = 4 * chunk_bytes_max;

}  // namespace

ssize_t read_fully(int fd, mrt::MutableBytes out, uint64_t offset) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return -1;
    if (got == 0) break;
    done += static_cast<size_t>(got);
  }
  return static_cast<ssize_t>(done);
}

FileHasher::State FileHasher::go_on() {
  buffer_.resize(read_bytes);
  const uint64_t slice_end = std::min(size_, position_ + hash_slice_bytes);
  while (position_ < slice_end) {
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(read_bytes, size_ - position_));
    const ssize_t got = read_fully(fd_, mrt::MutableBytes(buffer_).first(wanted), position_);
    if (got < 0) return State::failed;
    if (static_cast<size_t>(got) < wanted) return State::cut_short;
    for (size_t at = 0; at < wanted; at += chunk_bytes_max) {
      const size_t chunk = std::min(chunk_bytes_max, wanted - at);
      builder_.add(hash_of_chunk(size_, mrt::ByteView(buffer_).subspan(at, chunk)));
    }
    position_ += wanted;
  }
  if (position_ < size_) return State::going_on;
  buffer_ = {};
  return State::done;
}

}  // namespace node::uv
