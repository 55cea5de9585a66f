// SPDX-License-Identifier: MIT
#include "mrt/send_stream.h"

#include <algorithm>
#include <cstring>

#include "mrt/base/check.h"

namespace mrt {

// Small writes share a chunk, as large as what waits already: few chunks, whatever is written. A
// chunk is released only as a whole, so it is not larger than that.
static constexpr size_t chunk_bytes_min = 1024;
static constexpr size_t chunk_bytes_max = 64 * 1024;

void SendStream::append(ByteView bytes) {
  CHECK(writable() && !whole_);
  while (!bytes.empty()) {
    const bool tail_has_room =
        !chunks_.empty() && chunks_.back().bytes.size() < chunks_.back().bytes.capacity();
    if (!tail_has_room) {
      Chunk chunk;
      chunk.begin = end_;
      const size_t wanted = std::max(bytes.size(), static_cast<size_t>(end_ - released_));
      chunk.bytes.reserve(std::clamp(wanted, chunk_bytes_min, chunk_bytes_max));
      chunks_.push_back(std::move(chunk));
    }
    Bytes& tail = chunks_.back().bytes;
    const size_t size = std::min(bytes.size(), tail.capacity() - tail.size());
    tail.insert(tail.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    bytes = bytes.subspan(size);
    end_ += size;
  }
}

void SendStream::append(SharedBytes bytes) {
  CHECK(writable() && bytes && end_ == 0);
  end_ = bytes->size();
  whole_ = std::move(bytes);
}

void SendStream::finish() { fin_ = true; }

uint64_t SendStream::reset(uint64_t code) {
  CHECK(!reset_);
  reset_ = true;
  reset_code_ = code;
  const uint64_t dropped = end_ - released_;
  // The final size is what was sent (RFC 9000 section 4.5).
  end_ = released_ = next_;
  whole_.reset();
  chunks_.clear();
  ragged_.reset();
  return dropped;
}

bool SendStream::has_fresh() const {
  if (reset_) return false;
  return fresh_bytes() > 0 || (fin_ && !fin_sent_ && next_ == end_);
}

uint64_t SendStream::fresh_bytes() const {
  const uint64_t until = std::min(end_, limit_);
  if (until <= next_) return 0;
  const bool silly = until < end_ && until - next_ < window_piece_min && anything_out();
  return silly ? 0 : until - next_;
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
  if (!ragged_ || ragged_->lost.empty()) {
    piece.offset = end_;
    piece.fin = true;
    return piece;
  }
  const Interval first = ragged_->lost.front();
  piece.offset = first.begin;
  piece.size = static_cast<size_t>(std::min<uint64_t>(size_max, first.size()));
  piece.fin = fin_sent_ && piece.offset + piece.size == end_;
  if (piece.size == 0) return std::nullopt;
  return piece;
}

bool SendStream::awaits(const Piece& piece) const {
  if (reset_ || piece.offset < released_) return false;
  if (piece.size == 0) return piece.fin && !fin_acked_;
  if (!ragged_) return true;
  const auto& acked = ragged_->acked.intervals();
  const auto next = std::upper_bound(acked.begin(), acked.end(), piece.offset,
                                     [](uint64_t at, const Interval& i) { return at < i.end; });
  return next == acked.end() || next->begin >= piece.offset + piece.size;
}

void SendStream::copy(uint64_t offset, MutableBytes out) const {
  if (out.empty()) return;
  if (whole_) {
    CHECK(offset + out.size() <= end_);
    std::memcpy(out.data(), whole_->data() + offset, out.size());
    return;
  }
  auto chunk = std::upper_bound(chunks_.begin(), chunks_.end(), offset,
                                [](uint64_t at, const Chunk& c) { return at < c.begin; });
  while (!out.empty()) {
    CHECK(chunk != chunks_.begin());
    const ByteView bytes = std::prev(chunk)->bytes;
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
  if (ragged_) ragged_->lost.remove(piece.offset, end);
  next_ = std::max(next_, end);
  if (piece.fin) {
    fin_sent_ = true;
    fin_lost_ = false;
  }
}

uint64_t SendStream::on_acked(const Piece& piece) {
  if (reset_) return 0;
  const uint64_t end = piece.offset + piece.size;
  if (piece.fin) {
    fin_acked_ = true;
    fin_lost_ = false;
  }
  if (end <= released_) return 0;
  const uint64_t before = released_;
  if (piece.offset <= released_) released_ = end;
  if (released_ != end || ragged_) {
    IntervalSet& acked = ragged().acked;
    acked.add(piece.offset, end);
    released_ = acked.first_gap(released_);
    acked.remove(0, released_);
    ragged_->lost.remove(piece.offset, end);
  }
  if (released_ == before) return 0;
  const auto kept = std::find_if(chunks_.begin(), chunks_.end(), [this](const Chunk& chunk) {
    return chunk.begin + chunk.bytes.size() > released_;
  });
  chunks_.erase(chunks_.begin(), kept);
  return released_ - before;
}

void SendStream::on_lost(const Piece& piece) {
  if (reset_) return;
  if (piece.fin && !fin_acked_) fin_lost_ = true;
  const uint64_t begin = std::max(piece.offset, released_);
  const uint64_t end = piece.offset + piece.size;
  if (begin >= end) return;
  IntervalSet& lost = ragged().lost;
  lost.add(begin, end);
  const auto& acked = ragged().acked.intervals();
  auto it = std::lower_bound(acked.begin(), acked.end(), begin,
                             [](const Interval& i, uint64_t at) { return i.end <= at; });
  for (; it != acked.end() && it->begin < end; ++it) lost.remove(it->begin, it->end);
}

SendStream::Ragged& SendStream::ragged() {
  if (!ragged_) ragged_ = std::make_unique<Ragged>();
  return *ragged_;
}

bool SendStream::is_consistent() const {
  if (released_ > next_ || next_ > end_) return false;
  if (whole_ && !chunks_.empty()) return false;
  if (fin_acked_ && !fin_sent_) return false;
  if (!ragged_) return true;
  const IntervalSet& all_lost = ragged_->lost;
  if (!all_lost.empty() && (all_lost.front().begin < released_ || all_lost.back().end > next_))
    return false;
  for (const Interval& lost : all_lost.intervals())
    for (const Interval& acked : ragged_->acked.intervals())
      if (lost.begin < acked.end && acked.begin < lost.end) return false;
  return true;
}

}  // namespace mrt
