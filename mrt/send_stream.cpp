// SPDX-License-Identifier: MIT
#include "mrt/send_stream.h"

#include <algorithm>
#include <cstring>

#include "mrt/base/check.h"

namespace mrt {

// Small writes share a chunk; a chunk is released only as a whole, so it is not large.
static constexpr size_t chunk_bytes_min = 1024;
static constexpr size_t chunk_bytes_max = 64 * 1024;

void SendStream::append(ByteView bytes) {
  CHECK(writable());
  while (!bytes.empty()) {
    const bool tail_has_room = !chunks_.empty() && !chunks_.back().shared &&
                               chunks_.back().own.size() < chunks_.back().own.capacity();
    if (!tail_has_room) {
      Chunk chunk;
      chunk.begin = end_;
      chunk.own.reserve(std::clamp(bytes.size(), chunk_bytes_min, chunk_bytes_max));
      chunks_.push_back(std::move(chunk));
    }
    Bytes& tail = chunks_.back().own;
    const size_t size = std::min(bytes.size(), tail.capacity() - tail.size());
    tail.insert(tail.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    bytes = bytes.subspan(size);
    end_ += size;
  }
}

void SendStream::append(SharedBytes bytes) {
  CHECK(writable() && bytes);
  if (bytes->empty()) return;
  Chunk chunk;
  chunk.begin = end_;
  end_ += bytes->size();
  chunk.shared = std::move(bytes);
  chunks_.push_back(std::move(chunk));
}

void SendStream::finish() { fin_ = true; }

uint64_t SendStream::reset(uint64_t code) {
  CHECK(!reset_code_);
  reset_code_ = code;
  const uint64_t dropped = end_ - released_;
  // The final size is what was sent (RFC 9000 section 4.5).
  end_ = released_ = next_;
  chunks_.clear();
  acked_.clear();
  lost_.clear();
  return dropped;
}

bool SendStream::has_fresh() const {
  if (reset_code_) return false;
  return std::min(end_, limit_) > next_ || (fin_ && !fin_sent_ && next_ == end_);
}

uint64_t SendStream::fresh_bytes() const {
  const uint64_t until = std::min(end_, limit_);
  return until > next_ ? until - next_ : 0;
}

std::optional<SendStream::Piece> SendStream::next_fresh(size_t size_max) const {
  if (!has_fresh()) return std::nullopt;
  Piece piece;
  piece.offset = next_;
  piece.size = static_cast<size_t>(std::min<uint64_t>(size_max, fresh_bytes()));
  piece.fin = fin_ && next_ + piece.size == end_;
  if (piece.size == 0 && !piece.fin) return std::nullopt;
  return piece;
}

std::optional<SendStream::Piece> SendStream::next_lost(size_t size_max) const {
  if (!has_lost()) return std::nullopt;
  Piece piece;
  if (lost_.empty()) {
    piece.offset = end_;
    piece.fin = true;
    return piece;
  }
  const Interval first = lost_.front();
  piece.offset = first.begin;
  piece.size = static_cast<size_t>(std::min<uint64_t>(size_max, first.size()));
  piece.fin = fin_sent_ && piece.offset + piece.size == end_;
  if (piece.size == 0) return std::nullopt;
  return piece;
}

void SendStream::copy(uint64_t offset, MutableBytes out) const {
  auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                [](uint64_t at, const Chunk& c) { return at < c.begin; });
  while (!out.empty()) {
    CHECK(chunk != chunks_.begin());
    const ByteView bytes = std::prev(chunk)->view();
    const auto skip = static_cast<size_t>(offset - std::prev(chunk)->begin);
    CHECK(skip < bytes.size());
    const size_t size = std::min(out.size(), bytes.size() - skip);
    std::memcpy(out.data(), bytes.data() + skip, size);
    out = out.subspan(size);
    offset += size;
    if (!out.empty()) ++chunk;
  }
}

void SendStream::on_sent(const Piece& piece) {
  const uint64_t end = piece.offset + piece.size;
  lost_.remove(piece.offset, end);
  next_ = std::max(next_, end);
  if (piece.fin) {
    fin_sent_ = true;
    fin_lost_ = false;
  }
}

uint64_t SendStream::on_acked(const Piece& piece) {
  if (reset_code_) return 0;
  const uint64_t end = piece.offset + piece.size;
  if (piece.fin) {
    fin_acked_ = true;
    fin_lost_ = false;
  }
  if (end <= released_) return 0;
  acked_.add(piece.offset, end);
  lost_.remove(piece.offset, end);
  const uint64_t before = released_;
  released_ = acked_.first_gap(released_);
  if (released_ == before) return 0;
  acked_.remove(0, released_);
  const auto kept = std::find_if(chunks_.begin(), chunks_.end(), [this](const Chunk& chunk) {
    return chunk.begin + chunk.view().size() > released_;
  });
  chunks_.erase(chunks_.begin(), kept);
  return released_ - before;
}

void SendStream::on_lost(const Piece& piece) {
  if (reset_code_) return;
  if (piece.fin && !fin_acked_) fin_lost_ = true;
  const uint64_t begin = std::max(piece.offset, released_);
  const uint64_t end = piece.offset + piece.size;
  if (begin >= end) return;
  lost_.add(begin, end);
  const auto& acked = acked_.intervals();
  auto it = std::lower_bound(acked.begin(), acked.end(), begin,
                             [](const Interval& i, uint64_t at) { return i.end <= at; });
  for (; it != acked.end() && it->begin < end; ++it) lost_.remove(it->begin, it->end);
}

bool SendStream::is_consistent() const {
  if (released_ > next_ || next_ > end_) return false;
  if (!lost_.empty() && (lost_.front().begin < released_ || lost_.back().end > next_)) return false;
  for (const Interval& lost : lost_.intervals())
    for (const Interval& acked : acked_.intervals())
      if (lost.begin < acked.end && acked.begin < lost.end) return false;
  return !fin_acked_ || fin_sent_;
}

}  // namespace mrt
