// SPDX-License-Identifier: MIT
#include "mrt/recv_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "mrt/base/check.h"

namespace mrt {

namespace {

constexpr size_t ring_bytes_min = 4096;

// Calls copy(place in the ring, offset in the span, size) for the one or two parts of a span.
template <class Copy>
void for_each_part(size_t ring_size, uint64_t offset, size_t size, Copy copy) {
  const size_t at = static_cast<size_t>(offset) & (ring_size - 1);
  const size_t first = std::min(size, ring_size - at);
  copy(at, size_t{0}, first);
  if (size > first) copy(size_t{0}, first, size - first);
}

}  // namespace

void RecvStream::grow(uint64_t bytes) {
  if (bytes <= ring_.size()) return;
  Bytes larger(std::bit_ceil(std::max(static_cast<size_t>(bytes), ring_bytes_min)));
  for (const Interval& held : received_.intervals()) {
    const uint64_t begin = std::max(held.begin, consumed_);
    for (uint64_t at = begin; at < held.end;) {
      const size_t from = static_cast<size_t>(at) & (ring_.size() - 1);
      const size_t size = std::min(static_cast<size_t>(held.end - at), ring_.size() - from);
      for_each_part(larger.size(), at, size, [&](size_t to, size_t skip, size_t part) {
        std::memcpy(larger.data() + to, ring_.data() + from + skip, part);
      });
      at += size;
    }
  }
  ring_ = std::move(larger);
}

void RecvStream::insert(uint64_t offset, ByteView bytes) {
  const uint64_t end = offset + bytes.size();
  if (end <= consumed_) return;
  if (offset < consumed_) {
    bytes = bytes.subspan(static_cast<size_t>(consumed_ - offset));
    offset = consumed_;
  }
  if (bytes.empty()) return;
  grow(end - consumed_);
  // What was received is written again where it overlaps: the bytes are the same, or the
  // peer breaks its word to itself.
  for_each_part(ring_.size(), offset, bytes.size(), [&](size_t to, size_t skip, size_t part) {
    std::memcpy(ring_.data() + to, bytes.data() + skip, part);
  });
  received_.add(offset, end);
}

size_t RecvStream::read(MutableBytes out) {
  const auto size = static_cast<size_t>(std::min<uint64_t>(out.size(), readable_bytes()));
  if (size == 0) return 0;
  for_each_part(ring_.size(), consumed_, size, [&](size_t from, size_t skip, size_t part) {
    std::memcpy(out.data() + skip, ring_.data() + from, part);
  });
  consumed_ += size;
  received_.remove(0, consumed_);
  return size;
}

void RecvStream::give_memory_back() {
  if (received_.empty()) ring_ = Bytes{};
}

void RecvStream::drop() {
  consumed_ = final_size_.highest();
  received_.clear();
  ring_ = Bytes{};
}

void RecvMessage::insert(uint64_t offset, ByteView bytes) {
  const uint64_t end = offset + bytes.size();
  const auto at = static_cast<size_t>(offset);
  if (at == bytes_.size()) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  } else {
    if (end > bytes_.size()) bytes_.resize(static_cast<size_t>(end));
    std::copy(bytes.begin(), bytes.end(), bytes_.begin() + static_cast<ptrdiff_t>(at));
  }
  received_.add(offset, end);
}

bool RecvMessage::whole() const {
  const auto size = final_size_.size();
  return size && received_.first_gap(0) >= *size;
}

}  // namespace mrt
