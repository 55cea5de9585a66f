// SPDX-License-Identifier: MIT
#include "mrt/outbound.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"

namespace mrt {

// Fewer bytes than this are not worth a DATA frame's head at the end of a packet, unless
// they are all that the stream has.
static constexpr size_t piece_bytes_min = 32;

Outbound::Outbound(bool initiator, const OutboundLimits& limits)
    : initiator_(initiator), limits_(limits), max_data_(limits.connection_window) {}

Outbound::Stream* Outbound::find(StreamId id) {
  const auto it = streams_.find(id);
  return it == streams_.end() ? nullptr : &it->second;
}

void Outbound::open(StreamId id, Priority priority, uint64_t limit) {
  streams_.try_emplace(id, priority, limit);
}

size_t Outbound::room() const {
  return static_cast<size_t>(limits_.send_buffer_bytes -
                             std::min(queued_, limits_.send_buffer_bytes));
}

size_t Outbound::write(StreamId id, ByteView bytes) {
  Stream* stream = find(id);
  if (!stream || !stream->writable()) return 0;
  const size_t size = std::min(bytes.size(), room());
  if (size < bytes.size()) refused_ = true;
  if (size == 0) return 0;
  stream->append(bytes.first(size));
  queued_ += size;
  enqueue(id, *stream);
  return size;
}

void Outbound::finish(StreamId id) {
  Stream* stream = find(id);
  if (!stream || !stream->writable()) return;
  stream->finish();
  enqueue(id, *stream);
}

void Outbound::reset(StreamId id, uint64_t code) {
  Stream* stream = find(id);
  if (!stream || stream->reset_code() || stream->done()) return;
  if (stream->counted) data_sent_ -= stream->size() - stream->sent();
  queued_ -= stream->reset(code);
  resets_.insert(id);
}

void Outbound::set_priority(StreamId id, Priority priority) {
  if (Stream* stream = find(id)) stream->set_priority(priority);
}

bool Outbound::send_message(Priority priority, SharedBytes bytes) {
  // With nothing queued a message may exceed the buffer: it could never be sent otherwise.
  const bool buffer_has_room = bytes->size() <= room() || queued_ == 0;
  if (!buffer_has_room || messages_open_ >= limits_.messages_open_max) {
    refused_ = true;
    return false;
  }
  const StreamId id = make_stream_id(next_message_++, true, initiator_);
  Stream& stream = streams_.try_emplace(id, priority, limits_.message_bytes_max).first->second;
  queued_ += bytes->size();
  stream.append(std::move(bytes));
  stream.finish();
  ++messages_open_;
  enqueue(id, stream);
  return true;
}

void Outbound::enqueue(StreamId id, Stream& stream) {
  const auto level = static_cast<size_t>(stream.priority());
  if (stream.has_lost() && !stream.queued_lost) {
    lost_[level].push(id);
    stream.queued_lost = true;
  }
  if (stream.has_fresh() && !stream.queued_fresh) {
    fresh_[level].push(id);
    stream.queued_fresh = true;
  } else if (stream.blocked()) {
    blocked_streams_.insert(id);
  }
}

void Outbound::on_max_data(uint64_t bytes) { max_data_ = std::max(max_data_, bytes); }

void Outbound::on_max_stream_data(StreamId id, uint64_t bytes) {
  if (Stream* stream = find(id)) {
    stream->raise_limit(bytes);
    blocked_streams_.erase(id);
    enqueue(id, *stream);
  }
}

void Outbound::on_acked(const SentFrame& frame) {
  Stream* stream = find(frame.stream);
  if (!stream) return;
  if (frame.kind == SentFrame::Kind::reset_stream)
    stream->on_reset_acked();
  else
    queued_ -= stream->on_acked({frame.offset, frame.size, frame.fin});
  settle(frame.stream, *stream);
}

void Outbound::on_lost(const SentFrame& frame) {
  Stream* stream = find(frame.stream);
  if (!stream) return;
  if (frame.kind == SentFrame::Kind::reset_stream) {
    if (!stream->done()) resets_.insert(frame.stream);
    return;
  }
  stream->on_lost({frame.offset, frame.size, frame.fin});
  enqueue(frame.stream, *stream);
}

void Outbound::settle(StreamId id, Stream& stream) {
  if (!stream.done() || stream.ended) return;
  stream.ended = true;
  if (is_message(id))
    --messages_open_;
  else
    done_.push_back(id);
  blocked_streams_.erase(id);
  resets_.erase(id);
  streams_.erase(id);
}

std::vector<StreamId> Outbound::take_done() { return std::exchange(done_, {}); }

bool Outbound::take_writable() {
  // A quarter of the buffer, so that a writer is not woken for a few bytes.
  const bool has_room = room() >= limits_.send_buffer_bytes / 4 || queued_ == 0;
  const bool has_place = messages_open_ * 4 <= limits_.messages_open_max * 3;
  if (!refused_ || !has_room || !has_place) return false;
  refused_ = false;
  return true;
}

bool Outbound::anything_to_send() const {
  if (!resets_.empty() || !blocked_streams_.empty()) return true;
  for (const Queue& lost : lost_)
    if (!lost.empty()) return true;
  for (size_t level = 0; level < priority_count; ++level) {
    if (fresh_[level].empty()) continue;
    // What is first decides: when the window stops it, nothing less urgent passes by.
    const auto it = streams_.find(fresh_[level].front());
    if (it == streams_.end()) return true;
    return allowance(it->first, it->second) > 0 || it->second.fresh_bytes() == 0 || blocked_ ||
           blocked_said_ != max_data_;
  }
  return false;
}

bool Outbound::all_acked() const {
  return messages_open_ == 0 && queued_ == 0 &&
         std::none_of(streams_.begin(), streams_.end(), [](const auto& entry) {
           return entry.second.fin() || entry.second.reset_code();
         });
}

uint64_t Outbound::allowance(StreamId id, const Stream& stream) const {
  const uint64_t left = max_data_ - std::min(max_data_, data_sent_);
  if (!is_message(id)) return left;
  if (stream.counted) return stream.size();
  return stream.size() <= left ? stream.size() : 0;
}

void Outbound::write_control(Writer& out, std::vector<SentFrame>& records) {
  // The largest of these frames: type and three varints.
  constexpr size_t control_bytes_max = 1 + 3 * varint_size_max;
  while (!resets_.empty() && out.remaining() >= control_bytes_max) {
    const StreamId id = *resets_.begin();
    resets_.erase(resets_.begin());
    const Stream* stream = find(id);
    if (!stream || !stream->reset_code()) continue;
    write_frame(out, ResetStreamFrame{id, *stream->reset_code(), stream->sent()});
    records.push_back({SentFrame::Kind::reset_stream, false, 0, id, 0});
  }
  while (!blocked_streams_.empty() && out.remaining() >= control_bytes_max) {
    const StreamId id = *blocked_streams_.begin();
    blocked_streams_.erase(blocked_streams_.begin());
    if (const Stream* stream = find(id))
      write_frame(out, StreamDataBlockedFrame{id, stream->limit()});
  }
  if (blocked_ && out.remaining() >= control_bytes_max) {
    write_frame(out, DataBlockedFrame{max_data_});
    blocked_ = false;
    blocked_said_ = max_data_;
  }
}

void Outbound::write_data(Writer& out, std::vector<SentFrame>& records) {
  bool more_allowed = true;
  for (size_t level = 0; level < priority_count; ++level) {
    // What was lost needs no window, and may be what keeps the peer from opening it.
    write_lost(out, lost_[level], level, records);
    more_allowed = more_allowed && write_fresh(out, fresh_[level], level, records);
  }
}

void Outbound::write_lost(Writer& out, Queue& queue, size_t level,
                          std::vector<SentFrame>& records) {
  while (!queue.empty()) {
    const StreamId id = queue.front();
    Stream* stream = find(id);
    const bool moved = stream && static_cast<size_t>(stream->priority()) != level;
    if (stream && stream->has_lost() && !moved) {
      if (!write_piece(out, id, *stream, true, records)) return;
      if (stream->has_lost()) continue;
    }
    queue.pop();
    if (!stream) continue;
    stream->queued_lost = false;
    enqueue(id, *stream);
  }
}

// False where nothing more may go: the packet is full, or the connection's window.
bool Outbound::write_fresh(Writer& out, Queue& queue, size_t level,
                           std::vector<SentFrame>& records) {
  while (!queue.empty()) {
    const StreamId id = queue.front();
    Stream* stream = find(id);
    const bool moved = stream && static_cast<size_t>(stream->priority()) != level;
    if (stream && stream->has_fresh() && !moved) {
      if (stream->fresh_bytes() > 0 && allowance(id, *stream) == 0) {
        blocked_ = blocked_said_ != max_data_;
        return false;
      }
      if (!write_piece(out, id, *stream, false, records)) return false;
      // A message goes on until it is sent; ordered streams take turns.
      if (is_message(id) && stream->has_fresh()) continue;
    }
    queue.pop();
    if (!stream) continue;
    stream->queued_fresh = false;
    enqueue(id, *stream);
  }
  return true;
}

bool Outbound::write_piece(Writer& out, StreamId id, Stream& stream, bool lost,
                           std::vector<SentFrame>& records) {
  const uint64_t offset = lost ? stream.next_lost(SIZE_MAX)->offset : stream.sent();
  const size_t bare = data_head_size({id, offset, 0, false, false});
  if (out.remaining() < bare + 2) return false;
  size_t size_max = out.remaining() - bare;
  if (!lost) size_max = static_cast<size_t>(std::min<uint64_t>(size_max, allowance(id, stream)));
  auto piece = lost ? stream.next_lost(size_max) : stream.next_fresh(size_max);
  CHECK(piece);
  // Without a length the frame fills the packet to its end.
  bool sized = piece->size < out.remaining() - bare;
  if (sized) {
    const size_t with_length = data_head_size({id, offset, piece->size, false, true});
    if (with_length + piece->size > out.remaining()) {
      // One or two bytes too many: give those to the length.
      const size_t shorter = out.remaining() - with_length;
      piece = lost ? stream.next_lost(shorter) : stream.next_fresh(shorter);
      if (!piece) return false;
    }
    const uint64_t left = lost ? piece->size : stream.fresh_bytes();
    if (piece->size < std::min<uint64_t>(left, piece_bytes_min)) return false;
  }
  write_data_head(out, {id, piece->offset, piece->size, piece->fin, sized});
  stream.copy(piece->offset, out.reserve(piece->size));
  if (lost) {
    retransmitted_ += piece->size;
  } else if (!is_message(id)) {
    data_sent_ += piece->size;
  } else if (!stream.counted) {
    data_sent_ += stream.size();
    stream.counted = true;
  }
  stream.on_sent(*piece);
  records.push_back(
      {SentFrame::Kind::data, piece->fin, static_cast<uint32_t>(piece->size), id, piece->offset});
  return true;
}

bool Outbound::is_consistent() const {
  uint64_t queued = 0;
  uint64_t messages = 0;
  for (const auto& [id, stream] : streams_) {
    queued += stream.unreleased_bytes();
    messages += is_message(id) ? 1 : 0;
    if (!stream.is_consistent() || stream.done()) return false;
    if (stream.has_lost() && !stream.queued_lost) return false;
    if (stream.has_fresh() && !stream.queued_fresh) return false;
  }
  return queued == queued_ && messages == messages_open_ && data_sent_ <= max_data_;
}

}  // namespace mrt
