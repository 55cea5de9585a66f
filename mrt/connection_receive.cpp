// SPDX-License-Identifier: MIT
//
// What comes in on a connection: packets, frames, and what the peer's address tells.
#include <algorithm>
#include <bit>

#include "mrt/base/check.h"
#include "mrt/connection.h"

namespace mrt {

// Challenges of the peer that wait for their answer; more are dropped, it will ask again.
static constexpr size_t path_answers_max = 4;

bool Connection::on_packet(Instant now, const Path& path, const ShortHeader& header,
                           MutableBytes packet) {
  if (!seal_) return false;
  const PacketNumber number{
      expand_packet_number(header.number_truncated, header.number_bytes, receiver_.end_number())};
  if (!seal_->open(number, header.key_phase, packet)) {
    ++counters_.packets_corrupt;
    return false;
  }
  counters_.bytes_received += packet.size();
  if (state_ == State::closing) {
    // The peer has not heard: again, for the 1st, 2nd, 4th, 8th ... packet.
    close_due_ |= std::has_single_bit(++closing_received_);
    return true;
  }
  if (is_over()) return true;
  if (!receiver_.is_new(number)) return false;
  ++counters_.packets_received;
  last_received_ = now;
  if (state_ == State::half_open) {
    path_.set_local(path.local);
    prove(now, number);
  }
  path_.on_received(path.remote, packet.size());
  if (number.value >= receiver_.end_number()) follow_peer(now, path, packet.size());

  const ByteView frames =
      packet.subspan(header.size(), packet.size() - header.size() - trailer_bytes);
  bool ack_eliciting = false;
  read_frames(now, path, frames, ack_eliciting);
  receiver_.on_packet(now, number, ack_eliciting);
  return true;
}

void Connection::on_batch_end(Instant now) {
  if (state_ != State::open) return;
  receiver_.on_batch_end(now);
  update_timers(now);
}

void Connection::read_frames(Instant now, const Path& path, ByteView frames, bool& ack_eliciting) {
  Reader in(frames);
  // RFC 9000 section 12.4: a packet without frames is an error.
  if (in.remaining() == 0) close(now, CloseCode::protocol_violation, "empty packet");
  while (in.remaining() > 0 && state_ == State::open) {
    const auto frame = read_frame(in);
    if (!frame) return close(now, CloseCode::frame_encoding, "malformed frame");
    ack_eliciting |= !std::holds_alternative<AckFrame>(*frame) &&
                     !std::holds_alternative<PaddingFrame>(*frame) &&
                     !std::holds_alternative<CloseFrame>(*frame);
    const CloseCode code = on_frame(now, path, *frame);
    if (code != CloseCode::none && state_ == State::open) close(now, code, "");
  }
}

CloseCode Connection::on_frame(Instant now, const Path& path, const Frame& frame) {
  struct Visitor {
    Connection& self;
    Instant now;
    const Path& path;

    CloseCode operator()(const PaddingFrame&) { return CloseCode::none; }
    CloseCode operator()(const PingFrame&) { return CloseCode::none; }
    // WIRE.md 5: the proof of identity has no meaning without a cipher.
    CloseCode operator()(const AuthFrame&) { return CloseCode::none; }
    CloseCode operator()(const DataBlockedFrame&) { return CloseCode::none; }
    CloseCode operator()(const AckFrame& ack) { return self.on_ack(now, ack); }
    CloseCode operator()(const CloseFrame& close) {
      self.on_close_frame(now, close);
      return CloseCode::none;
    }
    CloseCode operator()(const MaxDataFrame& max) {
      self.streams_->on_frame(max);
      return CloseCode::none;
    }
    CloseCode operator()(const MaxStreamDataFrame& max) { return self.streams_->on_frame(max); }
    CloseCode operator()(const MaxStreamsFrame& max) { return self.streams_->on_frame(max); }
    CloseCode operator()(const StreamDataBlockedFrame& b) { return self.streams_->on_frame(b); }
    CloseCode operator()(const StopSendingFrame& stop) { return self.streams_->on_frame(stop); }
    CloseCode operator()(const ResetStreamFrame& reset) {
      return self.streams_->on_frame(reset, self.events_);
    }
    CloseCode operator()(const DataFrame& data) {
      return self.streams_->on_frame(data, self.events_);
    }
    CloseCode operator()(const DatagramFrame& datagram) {
      self.on_datagram(datagram);
      return CloseCode::none;
    }
    CloseCode operator()(const PathChallengeFrame& challenge) {
      if (self.path_answers_.size() < path_answers_max)
        self.path_answers_.push_back({path, challenge.value});
      return CloseCode::none;
    }
    CloseCode operator()(const PathResponseFrame& response) {
      if (self.path_.on_response(response.value))
        self.events_.push_back(PathChanged{self.identity_.id, self.path_.path()});
      return CloseCode::none;
    }
  };
  return std::visit(Visitor{*this, now, path}, frame);
}

CloseCode Connection::on_ack(Instant now, const AckFrame& ack) {
  const SendOutcome& outcome = sender_.on_ack(now, ack, theirs_.ack_delay_max);
  if (outcome.violation) return CloseCode::protocol_violation;
  on_outcome(now, outcome);
  return CloseCode::none;
}

void Connection::on_outcome(Instant now, const SendOutcome& outcome) {
  for (const SentFrame& frame : outcome.acked) {
    if (frame.kind == SentFrame::Kind::ack)
      receiver_.on_ack_acked({frame.offset});
    else
      streams_->on_acked(frame);
  }
  for (const SentFrame& frame : outcome.lost) streams_->on_lost(frame);

  if (outcome.largest_acked_packet > packet_bytes_initial) mtu_.on_large_acked();
  if (outcome.mtu_probe_acked > 0 && mtu_.on_probe_acked(outcome.mtu_probe_acked))
    sender_.on_packet_size(mtu_.packet_bytes());
  const bool only_large_lost =
      outcome.lost_packets > 0 && outcome.smallest_lost_packet > packet_bytes_initial;
  if (only_large_lost && mtu_.on_large_lost(now)) sender_.on_packet_size(mtu_.packet_bytes());
}

void Connection::on_close_frame(Instant now, const CloseFrame& frame) {
  report_closed(static_cast<CloseCode>(frame.code), true, std::string(as_text(frame.reason)));
  linger(now, State::draining);
}

// WIRE.md 5.5: the largest number so far came from elsewhere, so the peer is there now.
void Connection::follow_peer(Instant now, const Path& path, size_t bytes) {
  const Path old = path_.path();
  if (path.remote == old.remote) {
    path_.set_local(path.local);
    return;
  }
  path_.move_to(now, path, bytes, random_.u64(), probe_timeout());
  start_path(old);
}

void Connection::start_path(const Path& old) {
  // RFC 9000 section 9.4: a changed port alone is a NAT's doing, the path is the same.
  if (path_.path().remote.ip != old.remote.ip) {
    mtu_ = MtuProber(mtu_limit());
    sender_.on_new_path(mtu_.packet_bytes());
  }
  if (path_.proven()) events_.push_back(PathChanged{identity_.id, path_.path()});
}

}  // namespace mrt
