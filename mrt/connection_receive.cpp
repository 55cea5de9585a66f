// SPDX-License-Identifier: MIT
//
// What comes in on a connection: packets, frames, and what the peer's address tells.
#include <algorithm>
#include <bit>

#include "mrt/connection.h"

namespace mrt {

// A gap that is longer is between messages, not within a stream: twice what reads wait at most,
// since a timer may be late.
static constexpr Duration following_max = std::chrono::milliseconds(5);

// RFC 9001 section 6.5.
static constexpr int old_key_probe_timeouts = 3;

// Challenges of the peer that wait for their answer; more are dropped, it will ask again.
static constexpr size_t path_answers_max = 4;

bool Connection::on_packet(Instant now, const Path& path, const ShortHeader& header,
                           MutableBytes packet) {
  if (!seal_) return false;
  const PacketNumber number{
      expand_packet_number(header.number_truncated, header.number_bytes, receiver_.end_number())};
  // RFC 9001 section 9.5's advice: a replay is known before anything is computed for it.
  if (!is_over() && !receiver_.is_new(number)) return false;
  const bool phase_before = seal_->receiving_phase();
  if (!seal_->open(number, header.key_phase, header.size(), packet)) {
    if (++counters_.packets_corrupt >= forgeries_max && state_ == State::open)
      close(now, CloseCode::aead_limit, "too many forged packets");
    return false;
  }
  // RFC 9001 section 6.5: the key before is kept for three probe time-outs.
  if (seal_->receiving_phase() != phase_before)
    timers_.set(Timer::old_key, now + old_key_probe_timeouts * probe_timeout());
  counters_.bytes_received += packet.size();
  if (state_ == State::closing) {
    // The peer has not heard: again, for the 1st, 2nd, 4th, 8th ... packet.
    close_due_ |= std::has_single_bit(++closing_received_);
    return true;
  }
  if (is_over()) return true;
  const ByteView frames =
      packet.subspan(header.size(), packet.size() - header.size() - trailer_bytes);
  // WIRE.md 3.10: nothing is accepted from a peer that has not said who it is.
  if (!seal_->is_plain() && !peer_key_ && !authenticate(now, frames)) return false;
  ++counters_.packets_received;
  packets_follow_ = now - last_received_ < following_max;
  last_received_ = now;
  if (state_ == State::half_open) {
    path_.set_local(path.local);
    prove(now, number);
  }
  path_.on_received(path.remote, packet.size());
  if (number.value >= receiver_.end_number()) follow_peer(now, path, packet.size());

  bool ack_eliciting = false;
  const size_t answers_before = path_answers_.size();
  read_frames(now, path, frames, ack_eliciting);
  bound_answers(answers_before, packet.size());
  // A late packet may have told that its own number needs no ack any more.
  if (receiver_.is_new(number)) receiver_.on_packet(now, number, ack_eliciting, packet.size());
  return true;
}

/// Whether these frames begin with a proof of the peer's identity. A wrong one ends it all.
bool Connection::authenticate(Instant now, ByteView frames) {
  Reader in(frames);
  const auto first = read_frame(in);
  const auto* auth = first ? std::get_if<AuthFrame>(&*first) : nullptr;
  const HandshakeRole theirs =
      role_ == HandshakeRole::initiator ? HandshakeRole::responder : HandshakeRole::initiator;
  if (!auth) return false;
  const auto proof = check_proof(auth->bytes, theirs, opening_->transcript);
  if (!proof) {
    close(now, CloseCode::bad_identity, "the identity is not proven");
    return false;
  }
  peer_key_ = proof->key;
  theirs_.reset_token = proof->reset_token;
  end_opening();
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
    // WIRE.md 5: checked before any other frame; it comes again until it is acknowledged.
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
      return self.streams_->on_frame(reset, self.household_.events);
    }
    CloseCode operator()(const DataFrame& data) {
      return self.streams_->on_frame(data, self.household_.events);
    }
    CloseCode operator()(const DatagramFrame& datagram) {
      self.on_datagram(datagram);
      return CloseCode::none;
    }
    CloseCode operator()(const PathChallengeFrame& challenge) {
      if (self.path_answers_.size() < path_answers_max)
        self.path_answers_.push_back({path, challenge.value, packet_bytes_initial});
      return CloseCode::none;
    }
    CloseCode operator()(const PathResponseFrame& response) {
      if (self.path_.on_response(response.value))
        self.household_.events.push(PathChanged{self.names_.id, self.path_.path()});
      return CloseCode::none;
    }
  };
  return std::visit(Visitor{*this, now, path}, frame);
}

// RFC 9000 section 8.2.2 lets an answer be short where it would break the rule of three times.
// Together, since one small packet may hold several challenges, and its sender be a false one.
void Connection::bound_answers(size_t first, size_t packet_bytes) {
  for (size_t i = first; i < path_answers_.size(); ++i)
    path_answers_[i].bytes_max =
        std::min(packet_bytes_initial, 3 * packet_bytes / (path_answers_.size() - first));
}

CloseCode Connection::on_ack(Instant now, const AckFrame& ack) {
  const SendOutcome& outcome = sender_.on_ack(now, ack, theirs_.ack_delay_max);
  if (outcome.violation) return CloseCode::protocol_violation;
  seal_->on_acked({ack.largest});
  on_outcome(outcome);
  return CloseCode::none;
}

void Connection::on_outcome(const SendOutcome& outcome) {
  for (const SentFrame& frame : outcome.acked) {
    if (frame.kind == SentFrame::Kind::ack)
      receiver_.on_ack_acked({frame.offset});
    else if (frame.kind == SentFrame::Kind::auth)
      proof_ = Bytes{};
    else
      streams_->on_acked(frame);
  }
  for (const SentFrame& frame : outcome.lost) streams_->on_lost(frame);

  if (outcome.largest_acked_packet > packet_bytes_initial) mtu_.on_large_acked();
  if (outcome.mtu_probe_acked > 0 && mtu_.on_probe_acked(outcome.mtu_probe_acked))
    sender_.on_packet_size(mtu_.packet_bytes());
  const bool only_large_lost =
      outcome.lost_packets > 0 && outcome.smallest_lost_packet > packet_bytes_initial;
  const bool only_small_arrived =
      outcome.largest_acked_packet > 0 && outcome.largest_acked_packet <= packet_bytes_initial;
  if (only_large_lost && only_small_arrived &&
      mtu_.on_large_lost(outcome.lost_packets, recent_loss_.share()))
    sender_.on_packet_size(mtu_.packet_bytes());
}

void Connection::on_close_frame(Instant now, const CloseFrame& frame) {
  report_closed(static_cast<CloseCode>(frame.code), true, std::string(as_text(frame.reason)));
  linger(now, State::draining);
}

// WIRE.md 5.5: the largest number so far came from elsewhere, so the peer is there now.
void Connection::follow_peer(Instant now, const Path& path, size_t bytes) {
  const Path old = path_.path();
  const bool was_proven = path_.proven();
  if (path.remote == old.remote) {
    path_.set_local(path.local);
    return;
  }
  path_.move_to(now, path, bytes, new_random().u64(), probe_timeout());
  start_path(old, was_proven);
}

void Connection::start_path(const Path& old, bool was_proven) {
  // What came from there and proved nothing was answered as far as it may be.
  if (!was_proven)
    std::erase_if(path_answers_, [&](const auto& a) { return a.path.remote == old.remote; });
  // RFC 9000 section 9.4: a changed port alone is a NAT's doing, the path is the same.
  if (path_.path().remote.ip != old.remote.ip) {
    mtu_ = MtuProber(mtu_limit());
    sender_.on_new_path(mtu_.packet_bytes());
  }
  if (path_.proven()) household_.events.push(PathChanged{names_.id, path_.path()});
}

}  // namespace mrt
