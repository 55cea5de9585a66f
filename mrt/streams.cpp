// SPDX-License-Identifier: MIT
#include "mrt/streams.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace mrt {

namespace {

OutboundLimits outbound_limits(const EndpointConfig& config, const TransportParameters& ours,
                               const TransportParameters& theirs) {
  return {.connection_window = theirs.connection_window,
          .messages_open_max = std::min(ours.messages_open_max, theirs.messages_open_max),
          .message_bytes_max = std::min(ours.message_bytes_max, theirs.message_bytes_max),
          .send_buffer_bytes = config.send_buffer_bytes};
}

InboundLimits inbound_limits(const TransportParameters& ours) {
  return {.connection_window = ours.connection_window,
          .stream_window = ours.stream_window,
          .messages_open_max = ours.messages_open_max,
          .message_bytes_max = ours.message_bytes_max};
}

}  // namespace

Streams::Streams(ConnectionId connection, bool initiator, const EndpointConfig& config,
                 const TransportParameters& ours, const TransportParameters& theirs)
    : connection_(connection),
      initiator_(initiator),
      peer_stream_window_(theirs.stream_window),
      streams_open_max_(ours.streams_open_max),
      outbound_(initiator, outbound_limits(config, ours, theirs)),
      inbound_(inbound_limits(ours)),
      max_streams_theirs_(theirs.streams_open_max),
      max_streams_ours_(ours.streams_open_max) {}

std::optional<StreamId> Streams::open(Priority priority) {
  if (next_stream_ >= max_streams_theirs_) return std::nullopt;
  const StreamId id = make_stream_id(next_stream_, false, initiator_);
  open_both_ways(id, priority);
  return id;
}

void Streams::open_both_ways(StreamId id, Priority priority) {
  outbound_.open(id, priority, peer_stream_window_);
  inbound_.open(id);
  if (is_ours(id))
    next_stream_ = std::max(next_stream_, stream_index(id) + 1);
  else
    opened_theirs_.add(stream_index(id), stream_index(id) + 1);
}

Streams::Standing Streams::stand(StreamId id) {
  CHECK(!is_message(id));
  const uint64_t index = stream_index(id);
  if (is_ours(id)) {
    if (finished_ours_.contains(index)) return Standing::done;
    if (index < next_stream_) return Standing::open;
    // Both sides may write to the first stream at once: it need not be opened.
    if (id != first_stream || max_streams_theirs_ == 0) return Standing::impossible;
  } else {
    if (finished_theirs_.contains(index)) return Standing::done;
    if (index >= max_streams_ours_) return Standing::impossible;
    if (opened_theirs_.contains(index)) return Standing::open;
  }
  open_both_ways(id, Priority::normal);
  return Standing::open;
}

size_t Streams::write(StreamId id, ByteView bytes) {
  if (id == first_stream) stand(id);
  return outbound_.write(id, bytes);
}

void Streams::finish(StreamId id) {
  if (id == first_stream) stand(id);
  outbound_.finish(id);
}

void Streams::reset(StreamId id, uint64_t code) {
  if (!is_message(id)) outbound_.reset(id, code);
}

void Streams::set_priority(StreamId id, Priority priority) {
  if (id == first_stream) stand(id);
  // A message keeps its own, so that one that has begun stays first of its kind.
  if (!is_message(id)) outbound_.set_priority(id, priority);
}

size_t Streams::read(StreamId id, MutableBytes out, EventQueue& events) {
  const size_t size = inbound_.read(connection_, id, out, events);
  forget_done();
  return size;
}

bool Streams::send_message(Priority priority, SharedBytes bytes) {
  return bytes && outbound_.message_fits(bytes->size()) &&
         outbound_.send_message(priority, std::move(bytes));
}

CloseCode Streams::on_frame(const DataFrame& frame, EventQueue& events) {
  if (is_message(frame.stream)) {
    if (is_ours(frame.stream)) return CloseCode::stream_state;
  } else {
    switch (stand(frame.stream)) {
      case Standing::done:
        return CloseCode::none;
      case Standing::impossible:
        return is_ours(frame.stream) ? CloseCode::stream_state : CloseCode::stream_limit;
      case Standing::open:
        break;
    }
  }
  const CloseCode code = inbound_.on_data(connection_, frame, events);
  forget_done();
  return code;
}

CloseCode Streams::on_frame(const ResetStreamFrame& frame, EventQueue& events) {
  if (is_message(frame.stream)) {
    if (is_ours(frame.stream)) return CloseCode::stream_state;
  } else {
    switch (stand(frame.stream)) {
      case Standing::done:
        return CloseCode::none;
      case Standing::impossible:
        return is_ours(frame.stream) ? CloseCode::stream_state : CloseCode::stream_limit;
      case Standing::open:
        break;
    }
  }
  const CloseCode code = inbound_.on_reset(connection_, frame, events);
  forget_done();
  return code;
}

CloseCode Streams::on_frame(const StopSendingFrame& frame) {
  if (is_message(frame.stream)) {
    if (!is_ours(frame.stream) || !outbound_.has_opened_message(frame.stream))
      return CloseCode::stream_state;
  } else if (stand(frame.stream) == Standing::impossible) {
    return CloseCode::stream_state;
  }
  // RFC 9000 section 3.5: answered with a RESET_STREAM that carries the same code.
  outbound_.reset(frame.stream, frame.code);
  return CloseCode::none;
}

CloseCode Streams::on_frame(const MaxStreamDataFrame& frame) {
  // A message's window is fixed.
  if (is_message(frame.stream) || stand(frame.stream) == Standing::impossible)
    return CloseCode::stream_state;
  outbound_.on_max_stream_data(frame.stream, frame.bytes);
  return CloseCode::none;
}

CloseCode Streams::on_frame(const StreamDataBlockedFrame& frame) {
  // Windows open when the user reads, not when the peer asks; only nonsense is told.
  if (is_message(frame.stream))
    return is_ours(frame.stream) ? CloseCode::stream_state : CloseCode::none;
  return stand(frame.stream) == Standing::impossible ? CloseCode::stream_state : CloseCode::none;
}

CloseCode Streams::on_frame(const MaxStreamsFrame& frame) {
  max_streams_theirs_ = std::max(max_streams_theirs_, frame.count);
  return CloseCode::none;
}

void Streams::on_acked(const SentFrame& frame) {
  if (frame.kind == SentFrame::Kind::data || frame.kind == SentFrame::Kind::reset_stream) {
    outbound_.on_acked(frame);
    forget_done();
  }
}

void Streams::on_lost(const SentFrame& frame) {
  switch (frame.kind) {
    case SentFrame::Kind::data:
    case SentFrame::Kind::reset_stream:
      outbound_.on_lost(frame);
      break;
    case SentFrame::Kind::max_data:
    case SentFrame::Kind::max_stream_data:
      inbound_.on_lost(frame);
      break;
    case SentFrame::Kind::max_streams:
      announce_streams_ = true;
      break;
    case SentFrame::Kind::ack:
    case SentFrame::Kind::auth:
      break;
  }
}

void Streams::forget_done() {
  auto forget = [this](StreamId id) {
    if (outbound_.contains(id) || inbound_.contains(id)) return;
    const uint64_t index = stream_index(id);
    if (is_ours(id)) {
      finished_ours_.add(index, index + 1);
    } else if (finished_theirs_.add(index, index + 1) > 0) {
      opened_theirs_.remove(index, index + 1);
      announce_streams_ = true;
    }
  };
  for (const StreamId id : inbound_.take_done()) forget(id);
  for (const StreamId id : outbound_.take_done()) forget(id);
}

void Streams::write_control(Writer& out, std::vector<SentFrame>& records) {
  inbound_.write_control(out, records);
  if (announce_streams_ && out.remaining() >= 1 + varint_size_max) {
    max_streams_ours_ = streams_open_max_ + finished_theirs_.size();
    write_frame(out, MaxStreamsFrame{max_streams_ours_});
    records.push_back({SentFrame::Kind::max_streams, false, 0, {}, 0});
    announce_streams_ = false;
  }
  outbound_.write_control(out, records);
}

bool Streams::anything_to_send() const {
  return inbound_.anything_to_send() || announce_streams_ || outbound_.anything_to_send();
}

void Streams::announce(EventQueue& events) {
  if (outbound_.take_writable()) events.push(Writable{connection_});
}

bool Streams::is_consistent() const {
  return outbound_.is_consistent() && inbound_.is_consistent() &&
         opened_theirs_.size() <= streams_open_max_ &&
         max_streams_ours_ <= streams_open_max_ + finished_theirs_.size();
}

}  // namespace mrt
