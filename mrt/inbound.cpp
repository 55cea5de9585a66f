// SPDX-License-Identifier: MIT
#include "mrt/inbound.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace mrt {

static constexpr uint64_t window_step = 8;

void Inbound::open(StreamId id) { streams_[id].max = limits_.stream_window; }

CloseCode Inbound::on_data(ConnectionId connection, const DataFrame& frame,
                           EventQueue& events) {
  return is_message(frame.stream) ? on_message_data(connection, frame, events)
                                  : on_stream_data(connection, frame, events);
}

CloseCode Inbound::extend(FinalSize& final_size, uint64_t end, bool fin, uint64_t stream_max) {
  const uint64_t before = final_size.highest();
  const uint64_t growth = end > before ? end - before : 0;
  if (end > stream_max || growth > max_data_ - received_) return CloseCode::flow_control;
  if (!final_size.on_bytes(end, fin)) return CloseCode::final_size;
  received_ += growth;
  return CloseCode::none;
}

CloseCode Inbound::count_message(uint64_t index) {
  const uint64_t seen = std::max(messages_seen_, index + 1);
  if (seen - finished_.size() > limits_.messages_open_max) return CloseCode::stream_limit;
  messages_seen_ = seen;
  return CloseCode::none;
}

CloseCode Inbound::on_message_data(ConnectionId connection, const DataFrame& frame,
                                   EventQueue& events) {
  const uint64_t index = stream_index(frame.stream);
  if (finished_.contains(index)) return CloseCode::none;
  if (const CloseCode code = count_message(index); code != CloseCode::none) return code;
  const uint64_t end = frame.offset + frame.bytes.size();
  // Nearly all come whole in one frame, and are not reassembled.
  if (frame.offset == 0 && frame.fin && !messages_.contains(index)) {
    FinalSize whole;
    const CloseCode code = extend(whole, end, true, limits_.message_bytes_max);
    if (code != CloseCode::none) return code;
    events.push(MessageReceived{connection, Bytes(frame.bytes.begin(), frame.bytes.end())});
    finished_.add(index, index + 1);
    return CloseCode::none;
  }
  RecvMessage& message = messages_[index];
  const CloseCode code = extend(message.final_size(), end, frame.fin, limits_.message_bytes_max);
  if (code != CloseCode::none) return code;
  message.insert(frame.offset, frame.bytes);
  if (!message.whole()) return CloseCode::none;
  events.push(MessageReceived{connection, message.take()});
  messages_.erase(index);
  finished_.add(index, index + 1);
  return CloseCode::none;
}

CloseCode Inbound::on_stream_data(ConnectionId connection, const DataFrame& frame,
                                  EventQueue& events) {
  const auto it = streams_.find(frame.stream);
  if (it == streams_.end()) return CloseCode::none;  // done long ago
  Stream& stream = it->second;
  const uint64_t end = frame.offset + frame.bytes.size();
  const CloseCode code = extend(stream.final_size(), end, frame.fin, stream.max);
  if (code != CloseCode::none || stream.ended) return code;
  stream.insert(frame.offset, frame.bytes);
  if (stream.all_consumed()) {
    end_stream(connection, frame.stream, stream, std::nullopt, events);
  } else if (stream.readable_bytes() > 0 && !stream.announced) {
    stream.announced = true;
    events.push(Readable{connection, frame.stream});
  }
  return CloseCode::none;
}

CloseCode Inbound::on_reset(ConnectionId connection, const ResetStreamFrame& frame,
                            EventQueue& events) {
  if (is_message(frame.stream)) {
    const uint64_t index = stream_index(frame.stream);
    if (finished_.contains(index)) return CloseCode::none;
    if (const CloseCode code = count_message(index); code != CloseCode::none) return code;
    FinalSize& size = messages_[index].final_size();
    const CloseCode code = extend(size, frame.final_size, true, limits_.message_bytes_max);
    if (code != CloseCode::none) return code;
    consume(frame.final_size);
    messages_.erase(index);
    finished_.add(index, index + 1);
    return CloseCode::none;
  }
  const auto it = streams_.find(frame.stream);
  if (it == streams_.end()) return CloseCode::none;
  Stream& stream = it->second;
  const CloseCode code = extend(stream.final_size(), frame.final_size, true, stream.max);
  if (code != CloseCode::none || stream.ended) return code;
  consume(frame.final_size - stream.consumed());
  stream.drop();
  end_stream(connection, frame.stream, stream, frame.code, events);
  return CloseCode::none;
}

void Inbound::end_stream(ConnectionId connection, StreamId id, Stream& stream,
                         std::optional<uint64_t> reset_code, EventQueue& events) {
  stream.ended = true;
  events.push(StreamEnded{connection, id, reset_code});
  announce_streams_.erase(id);
  done_.push_back(id);
  streams_.erase(id);
}

size_t Inbound::read(ConnectionId connection, StreamId id, MutableBytes out,
                     EventQueue& events) {
  const auto it = streams_.find(id);
  if (it == streams_.end()) return 0;
  Stream& stream = it->second;
  const size_t size = stream.read(out);
  stream.announced = false;
  consume(size);
  if (stream.all_consumed()) {
    end_stream(connection, id, stream, std::nullopt, events);
  } else if (stream.consumed() + limits_.stream_window - stream.max >=
                 limits_.stream_window / window_step &&
             !stream.final_size().size() && size > 0) {
    announce_streams_.insert(id);
  }
  return size;
}

// The window is opened again when an eighth of it is consumed: neither a frame for each read nor
// a peer that waits; a hole that is repaired late needs nearly all of it.
void Inbound::consume(uint64_t bytes) {
  consumed_ += bytes;
  if (consumed_ + limits_.connection_window - max_data_ >=
          limits_.connection_window / window_step &&
      bytes > 0)
    announce_ = true;
}

void Inbound::on_lost(const SentFrame& frame) {
  if (frame.kind == SentFrame::Kind::max_data)
    announce_ = true;
  else if (frame.kind == SentFrame::Kind::max_stream_data && contains(frame.stream))
    announce_streams_.insert(frame.stream);
}

void Inbound::write_control(Writer& out, std::vector<SentFrame>& records) {
  constexpr size_t control_bytes_max = 1 + 2 * varint_size_max;
  if (announce_ && out.remaining() >= control_bytes_max) {
    max_data_ = consumed_ + limits_.connection_window;
    write_frame(out, MaxDataFrame{max_data_});
    records.push_back({SentFrame::Kind::max_data, false, 0, {}, 0});
    announce_ = false;
  }
  while (!announce_streams_.empty() && out.remaining() >= control_bytes_max) {
    const StreamId id = announce_streams_.take();
    Stream& stream = streams_.at(id);
    stream.max = stream.consumed() + limits_.stream_window;
    write_frame(out, MaxStreamDataFrame{id, stream.max});
    records.push_back({SentFrame::Kind::max_stream_data, false, 0, id, 0});
  }
}

bool Inbound::is_consistent() const {
  if (received_ > max_data_ || consumed_ > received_) return false;
  if (messages_seen_ - finished_.size() > limits_.messages_open_max) return false;
  if (messages_.size() > limits_.messages_open_max) return false;
  for (const StreamId id : announce_streams_)
    if (!streams_.contains(id)) return false;
  for (const auto& [id, stream] : streams_)
    if (stream.final_size().highest() > stream.max || stream.ended) return false;
  return true;
}

}  // namespace mrt
