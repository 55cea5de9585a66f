// SPDX-License-Identifier: MIT
#include "mrt/outbound.h"

#include <algorithm>
#include <utility>

#include "mrt/base/check.h"
#include "mrt/base/machine.h"

namespace mrt {

// Fewer bytes than this are not worth a DATA frame's head at the end of a packet, unless
// they are all that the stream has.
static constexpr size_t piece_bytes_min = 32;
// Of our buffer and the peer's MAX_DATA, kept for what is interactive: a hundred lines of chat,
// which would else wait until half a window of bulk is read.
static constexpr uint64_t urgent_bytes_kept = 16 * 1024;

// Messages from the oldest that is not acknowledged to the newest. One that is lost five times in
// a row stops the others only then: sixteen times as many as may be open at once, usually.
static constexpr size_t message_span_max = 4'096;

Outbound::Outbound(bool initiator, const OutboundLimits& limits)
    : initiator_(initiator), limits_(limits), max_data_(limits.connection_window) {}

Outbound::Stream* Outbound::find(StreamId id) { return streams_.find(id); }

void Outbound::open(StreamId id, Priority priority, uint64_t limit) {
  streams_.add(id, Stream(priority, limit));
}

size_t Outbound::room(Priority priority) const {
  const uint64_t kept = priority == Priority::interactive ? urgent_bytes_kept : 0;
  const uint64_t limit = limits_.send_buffer_bytes + kept;
  return static_cast<size_t>(limit - std::min(queued_, limit));
}

size_t Outbound::write(StreamId id, ByteView bytes) {
  Stream* stream = find(id);
  if (!stream || !stream->writable()) return 0;
  const size_t size = std::min(bytes.size(), room(stream->priority()));
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
  forget_copies(id);
  resets_.insert(id);
}

void Outbound::set_priority(StreamId id, Priority priority) {
  Stream* stream = find(id);
  if (!stream) return;
  stream->set_priority(priority);
  if (priority != Priority::interactive) forget_copies(id);
}

void Outbound::forget_copies(StreamId id) {
  repetition_.forget_if([id](const SentFrame& frame) { return frame.stream == id; });
}

bool Outbound::send_message(Priority priority, SharedBytes bytes) {
  // With nothing queued a message may exceed the buffer: it could never be sent otherwise.
  const bool buffer_has_room = bytes->size() <= room(priority) || queued_ == 0;
  if (!buffer_has_room || messages_open_ >= limits_.messages_open_max ||
      streams_.message_span() >= message_span_max) {
    refused_ = true;
    return false;
  }
  const StreamId id = make_stream_id(streams_.next_message(), true, initiator_);
  Stream& stream = streams_.add_message();
  stream.set_priority(priority);
  stream.raise_limit(limits_.message_bytes_max);
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
  if (stream->has_fresh()) enqueue(frame.stream, *stream);
  if (stream->priority() == Priority::interactive && !repetition_.empty())
    repetition_.forget_if([&](const SentFrame& f) {
      return f.stream == frame.stream && !stream->awaits({f.offset, f.size, f.fin});
    });
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

void Outbound::give_memory_back() {
  for (Queue& queue : lost_) queue.give_memory_back();
  for (Queue& queue : fresh_) queue.give_memory_back();
  streams_.give_memory_back();
  repetition_.give_memory_back();
}

std::vector<StreamId> Outbound::take_done() { return std::exchange(done_, {}); }

bool Outbound::take_writable() {
  // Four batches, or a quarter of a smaller buffer: a writer is not woken for a few bytes.
  const uint64_t worth = std::min<uint64_t>(limits_.send_buffer_bytes / 4, 4 * batch_bytes_max);
  const bool has_room = room() >= worth || queued_ == 0;
  const bool has_place = messages_open_ * 4 <= limits_.messages_open_max * 3 &&
                         streams_.message_span() < message_span_max;
  if (!refused_ || !has_room || !has_place) return false;
  refused_ = false;
  return true;
}

bool Outbound::anything_to_send() const {
  if (!resets_.empty() || !blocked_streams_.empty()) return true;
  for (const Queue& lost : lost_)
    if (!lost.empty()) return true;
  // What is first decides: when the window stops it, nothing less urgent begins.
  bool stopped = false;
  for (size_t level = 0; level < priority_count; ++level) {
    if (fresh_[level].empty()) continue;
    if (stopped ? has_begun_message(level) : level_has_fresh(level)) return true;
    if (!stopped && (blocked_ || blocked_is_news())) return true;
    stopped = true;
  }
  return false;
}

bool Outbound::anything_urgent() const {
  constexpr auto level = static_cast<size_t>(Priority::interactive);
  return !lost_[level].empty() || (!fresh_[level].empty() && level_has_fresh(level));
}

bool Outbound::level_has_fresh(size_t level) const {
  const StreamId id = fresh_[level].front();
  const Stream* stream = streams_.find(id);
  return !stream || allowance(id, *stream) > 0 || stream->fresh_bytes() == 0;
}

bool Outbound::has_begun_message(size_t level) const {
  const Stream* stream = streams_.find(fresh_[level].front());
  return stream && stream->counted && stream->has_fresh();
}

bool Outbound::all_acked() const {
  bool ends = false;  // of streams, that wait for their acknowledgement
  streams_.for_each(
      [&](const Stream& stream, bool) { ends |= stream.fin() || stream.reset_code(); });
  return messages_open_ == 0 && queued_ == 0 && !ends;
}

uint64_t Outbound::allowance(StreamId id, const Stream& stream) const {
  // A peer opens its window again by halves: the largest message must fit into what is left then.
  const bool keeps_some =
      stream.priority() != Priority::interactive &&
      limits_.connection_window / 2 >= limits_.message_bytes_max + urgent_bytes_kept;
  const uint64_t usable = max_data_ - (keeps_some ? urgent_bytes_kept : 0);
  const uint64_t left = usable - std::min(usable, data_sent_);
  const uint64_t wanted = std::min(stream.fresh_bytes(), SendStream::window_piece_min);
  if (!is_message(id)) return left < wanted && stream.anything_out() ? 0 : left;
  if (stream.counted) return stream.size();
  return stream.size() <= left ? stream.size() : 0;
}

bool Outbound::blocked_is_news() const {
  return blocked_said_ == UINT64_MAX || max_data_ - blocked_said_ >= SendStream::window_piece_min;
}

void Outbound::write_control(Writer& out, std::vector<SentFrame>& records) {
  // The largest of these frames: type and three varints.
  constexpr size_t control_bytes_max = 1 + 3 * varint_size_max;
  while (!resets_.empty() && out.remaining() >= control_bytes_max) {
    const StreamId id = resets_.take();
    const Stream* stream = find(id);
    if (!stream || !stream->reset_code()) continue;
    write_frame(out, ResetStreamFrame{id, *stream->reset_code(), stream->sent()});
    records.push_back({SentFrame::Kind::reset_stream, false, 0, id, 0});
  }
  while (!blocked_streams_.empty() && out.remaining() >= control_bytes_max) {
    const StreamId id = blocked_streams_.take();
    if (const Stream* stream = find(id))
      write_frame(out, StreamDataBlockedFrame{id, stream->limit()});
  }
  if (blocked_ && out.remaining() >= control_bytes_max) {
    write_frame(out, DataBlockedFrame{max_data_});
    blocked_ = false;
    blocked_said_ = max_data_;
  }
}

size_t Outbound::write_data(const PacketTurn& turn, Writer& out, std::vector<SentFrame>& records) {
  constexpr auto urgent = static_cast<size_t>(Priority::interactive);
  size_t copied = 0;
  bool more_allowed = true;
  for (size_t level = 0; level < priority_count; ++level) {
    // What was lost needs no window, and may be what keeps the peer from opening it.
    write_lost(turn, out, level, records);
    more_allowed = write_fresh(turn, out, level, !more_allowed, records) && more_allowed;
    if (level == urgent) copied = write_copies(turn, out, records);
    if (level == urgent && turn.urgent_only) break;
  }
  return copied;
}

size_t Outbound::write_copies(const PacketTurn& turn, Writer& out,
                              std::vector<SentFrame>& records) {
  size_t copied = 0;
  if (turn.copy_bytes_max == 0) return copied;
  repetition_.repeat(turn.now, turn.copy_gap, [&](const SentFrame& frame) {
    const DataHead head{frame.stream, frame.offset, frame.size, frame.fin, true};
    const size_t bytes = data_head_size(head) + frame.size;
    if (bytes > out.remaining() || copied + bytes > turn.copy_bytes_max) return false;
    write_data_head(out, head);
    find(frame.stream)->copy(frame.offset, out.reserve(frame.size));
    records.push_back(frame);
    copied += bytes;
    retransmitted_ += frame.size;
    return true;
  });
  return copied;
}

void Outbound::write_lost(const PacketTurn& turn, Writer& out, size_t level,
                          std::vector<SentFrame>& records) {
  Queue& queue = lost_[level];
  while (!queue.empty()) {
    const StreamId id = queue.front();
    Stream* stream = find(id);
    const bool moved = stream && static_cast<size_t>(stream->priority()) != level;
    if (stream && stream->has_lost() && !moved) {
      if (!write_piece(turn, out, id, *stream, true, records)) return;
      if (stream->has_lost()) continue;
    }
    queue.pop();
    if (!stream) continue;
    stream->queued_lost = false;
    enqueue(id, *stream);
  }
}

// False where nothing more may begin: the packet is full, or the connection's window. What has
// begun has its part of the window; the peer frees it only when it has all, and so it goes on.
bool Outbound::write_fresh(const PacketTurn& turn, Writer& out, size_t level, bool only_begun,
                           std::vector<SentFrame>& records) {
  Queue& queue = fresh_[level];
  while (!queue.empty()) {
    if (only_begun && !has_begun_message(level)) return false;
    const StreamId id = queue.front();
    Stream* stream = find(id);
    const bool moved = stream && static_cast<size_t>(stream->priority()) != level;
    if (stream && stream->has_fresh() && !moved) {
      if (stream->fresh_bytes() > 0 && allowance(id, *stream) == 0) {
        blocked_ = blocked_is_news();
        return false;
      }
      if (!write_piece(turn, out, id, *stream, false, records)) return false;
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

bool Outbound::write_piece(const PacketTurn& turn, Writer& out, StreamId id, Stream& stream,
                           bool lost, std::vector<SentFrame>& records) {
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
    const uint64_t left =
        lost ? piece->size : std::min(stream.fresh_bytes(), allowance(id, stream));
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
  if (turn.remembers && stream.priority() == Priority::interactive &&
      Repetition::is_small(piece->size))
    repetition_.on_sent(turn.now, records.back());
  return true;
}

bool Outbound::is_consistent() const {
  uint64_t queued = 0;
  uint64_t messages = 0;
  bool fine = true;
  streams_.for_each([&](const Stream& stream, bool message) {
    queued += stream.unreleased_bytes();
    messages += message ? 1 : 0;
    fine &= stream.is_consistent() && !stream.done();
    fine &= !stream.has_lost() || stream.queued_lost;
    fine &= !stream.has_fresh() || stream.queued_fresh;
  });
  for (const Repetition::Piece& piece : repetition_.pieces()) {
    const Stream* stream = streams_.find(piece.frame.stream);
    fine &= stream && stream->awaits({piece.frame.offset, piece.frame.size, piece.frame.fin});
  }
  return fine && queued == queued_ && messages == messages_open_ && data_sent_ <= max_data_;
}

}  // namespace mrt
