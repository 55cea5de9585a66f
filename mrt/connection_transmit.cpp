// SPDX-License-Identifier: MIT
//
// What a connection sends, and in which order: the handshake's packets; RCLS; path frames;
// a probe of the packet size; then batches of packets with acks, control frames and data.
#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/connection.h"

namespace mrt {

namespace {

// An ack-only packet in so many carries a PING, so that the peer's acks of our acks let us
// forget old ranges (RFC 9000 section 13.2.4).
constexpr int acks_per_ping = 32;
// Where an unproven path allows few bytes, path frames go before the proof of identity: a
// challenge and the head of the AUTH frame.
constexpr size_t beside_proof_bytes = 16;
// The longest header, PATH_CHALLENGE or PATH_RESPONSE, trailer.
constexpr size_t path_packet_bytes_min = 13 + 9 + trailer_bytes;
// Header, proof of identity, RCLS with its longest reason, trailer: at most 437 bytes.
constexpr size_t close_packet_bytes_max = 440;
// What is urgent goes on through so many probe time-outs, some half second at 100 ms; if the path
// then still does not answer, there are only probes (RFC 9002 section 6.2.4).
constexpr int urgent_backoff_max = 2;
// Below that a loss is repaired before anybody notices, and loopback is not lossy.
constexpr Duration repeated_rtt_min = std::chrono::milliseconds(5);
// Copies of one piece are spread over a quarter of a round trip, for losses come in bursts; but
// a line every 10 ms takes those before it along each time.
constexpr int repeat_gap_share = 16;
constexpr Duration repeat_gap_max = std::chrono::milliseconds(5);
// Where no packet comes by, a piece has three more of its own before an ack of the first can be
// there.
constexpr int repeat_alone_share = 4;

}  // namespace

std::optional<Transmit> Connection::poll_transmit(Instant now, MutableBytes buffer,
                                                  bool urgent_only) {
  std::optional<Transmit> out;
  switch (state_) {
    case State::requesting:
    case State::half_open:
      out = transmit_long(now, buffer);
      break;
    case State::closing:
      out = transmit_close(now, buffer);
      break;
    case State::open:
      timers_.clear(Timer::pacing);
      if (sender_.remembers_too_much()) {
        close(now, CloseCode::protocol_violation, "nothing is acknowledged");
        return poll_transmit(now, buffer, urgent_only);
      }
      seal_->renew_if_due(sender_.next_number());
      if (!urgent_only) out = transmit_path_frame(now, buffer);
      if (!out) out = transmit_batch(now, buffer, urgent_only);
      if (!out && !urgent_only) out = transmit_mtu_probe(now, buffer);
      update_timers(now);
      break;
    case State::draining:
    case State::dead:
      break;
  }
  if (out) {
    counters_.bytes_sent += out->size;
    if (out->path.remote == path_.path().remote) path_.on_sent(out->size);
  }
  return out;
}

// WIRE.md 3.1, 3.2.
std::optional<Transmit> Connection::transmit_long(Instant now, MutableBytes buffer) {
  Repeated* next = nullptr;
  if (calling_ && calling_->out.due) {
    next = &calling_->out;
    timers_.set(Timer::handshake, now + calling_->interval);
    if (next->sent + 1 >= rcons_at_first_interval)
      calling_->interval = std::min(2 * calling_->interval, rcon_interval_max);
  } else if (opening_->answer.due && path_.allowance() >= opening_->answer.packet.size()) {
    next = &opening_->answer;
  } else {
    return std::nullopt;
  }
  next->due = false;
  ++next->sent;
  if (next->sent == 1) next->first_sent_at = now;
  std::copy(next->packet.begin(), next->packet.end(), buffer.begin());
  return Transmit{path_.path(), next->packet.size(), next->packet.size()};
}

ShortHeader Connection::next_header() const {
  ShortHeader header;
  header.key_phase = seal_ && seal_->key_phase();
  header.dcid = peer_cid_;
  const uint64_t number = sender_.next_number().value;
  header.number_bytes = packet_number_bytes(number, sender_.acked_end());
  header.number_truncated = static_cast<uint32_t>(number);
  return header;
}

// The header and, until the peer has acknowledged it, who we are: it goes before all else in
// each packet (WIRE.md 3.10), so none of them is worthless where another one was lost.
void Connection::begin_packet(Writer& out) {
  records_.clear();
  write_short_header(out, next_header());
  if (proof_.empty() || out.remaining() < proof_.size() + beside_proof_bytes) return;
  write_frame(out, AuthFrame{proof_});
  records_.push_back({.kind = SentFrame::Kind::auth});
}

// Pads to the least size, seals, and gives the packet's size.
size_t Connection::seal_packet(MutableBytes room, size_t size) {
  const size_t least = short_packet_bytes_min - trailer_bytes;
  if (size < least) {
    std::fill(room.begin() + static_cast<ptrdiff_t>(size),
              room.begin() + static_cast<ptrdiff_t>(least), uint8_t{0});
    size = least;
  }
  const MutableBytes packet = room.first(size + trailer_bytes);
  seal_->seal(sender_.next_number(), next_header().size(), packet);
  return packet.size();
}

std::optional<Transmit> Connection::transmit_close(Instant now, MutableBytes buffer) {
  if (!close_due_) return std::nullopt;
  if (path_.allowance() < close_packet_bytes_max) return std::nullopt;
  close_due_ = false;
  Writer out(buffer.first(close_packet_bytes_max - trailer_bytes));
  begin_packet(out);
  write_frame(out, CloseFrame{static_cast<uint64_t>(close_code_), as_bytes(close_reason_)});
  CHECK(out.ok());
  const size_t size = seal_packet(buffer, out.size());
  sender_.on_sent(now, {.bytes = size}, records_);
  timers_.set(Timer::closing, now + probe_timeout());
  return Transmit{path_.path(), size, size};
}

// WIRE.md 5.5. Alone in a packet that is as long as may be, so that the new path is shown to
// carry 1200 bytes too (RFC 9000 section 8.2.1).
std::optional<Transmit> Connection::transmit_path_frame(Instant now, MutableBytes buffer) {
  const auto challenge = path_.challenge_to_send();
  if (!challenge && path_answers_.empty()) return std::nullopt;
  const Path to = challenge ? path_.path() : path_answers_.front().path;
  const size_t allowance = to.remote == path_.path().remote ? path_.allowance() : SIZE_MAX;
  const size_t wanted = challenge ? packet_bytes_initial : path_answers_.front().bytes_max;
  const size_t size_max = std::min({wanted, allowance, buffer.size()});
  if (size_max < path_packet_bytes_min) return std::nullopt;
  Writer out(buffer.first(size_max - trailer_bytes));
  begin_packet(out);
  if (challenge) {
    write_frame(out, PathChallengeFrame{*challenge});
    path_.on_challenge_sent();
  } else {
    write_frame(out, PathResponseFrame{path_answers_.front().value});
    path_answers_.erase(path_answers_.begin());
  }
  out.zeros(out.remaining());
  const size_t size = seal_packet(buffer, out.size());
  sender_.on_sent(now, {.bytes = size, .ack_eliciting = true}, records_);
  last_eliciting_sent_ = now;
  return Transmit{to, size, size};
}

std::optional<Transmit> Connection::transmit_mtu_probe(Instant now, MutableBytes buffer) {
  const auto probe_size = mtu_.probe_due(now, counters_.bytes_sent);
  if (!probe_size || *probe_size > buffer.size() || !path_.proven()) return std::nullopt;
  Writer out(buffer.first(*probe_size - trailer_bytes));
  begin_packet(out);
  write_frame(out, PingFrame{});
  out.zeros(out.remaining());
  const size_t size = seal_packet(buffer, out.size());
  sender_.on_sent(now, {.bytes = size, .ack_eliciting = true, .mtu_probe = true}, records_);
  mtu_.on_probe_sent(now, size, probe_timeout());
  return Transmit{path_.path(), size, size};
}

std::optional<Transmit> Connection::transmit_batch(Instant now, MutableBytes buffer,
                                                   bool urgent_only) {
  Transmit batch;
  batch.path = path_.path();
  const size_t packet_bytes = std::min({mtu_.packet_bytes(), buffer.size(), path_.allowance()});
  if (packet_bytes < short_packet_bytes_min) return std::nullopt;
  for (size_t count = 0; count < batch_segments_max; ++count) {
    if (batch.size + packet_bytes > std::min(buffer.size(), path_.allowance())) break;
    // The last probe of a time-out is small: where only that arrives, large ones vanish.
    const size_t room =
        sender_.probes_wanted() == 1 ? std::min(packet_bytes, packet_bytes_initial) : packet_bytes;
    const size_t size = build_packet(now, buffer.subspan(batch.size, room), urgent_only);
    if (size == 0) break;
    if (count == 0) batch.segment_size = size;
    batch.size += size;
    if (size < packet_bytes) break;
  }
  if (batch.size == 0) return std::nullopt;
  return batch;
}

bool Connection::anything_eliciting() const {
  return ping_due_ || sender_.probes_wanted() > 0 || !datagrams_.empty() ||
         streams_->anything_to_send();
}

Connection::Turn Connection::turn_at(Instant now, size_t bytes) {
  const bool copy_due = repeat_at() <= now;
  if (anything_eliciting() || copy_due) {
    if (sender_.probes_wanted() > 0) return Turn::all;
    if (sender_.window_room(now, peer_buffer()) >= bytes || sender_.in_flight_bytes() == 0) {
      if (sender_.pacing_credit(now) > 0) return Turn::all;
      timers_.set(Timer::pacing, sender_.pacing_at());
    } else {
      timers_.set(Timer::pacing, sender_.window_at(now));
    }
  }
  // What is urgent does not wait behind the bulk that has used up window and credit. An ack takes
  // it along, and copies that may ride.
  const bool asks = copy_due || streams_->outbound().anything_urgent() || receiver_.ack_due(now);
  return asks && may_overdraw(now) ? Turn::urgent : Turn::nothing;
}

bool Connection::may_overdraw(Instant now) const {
  return !urgent_.is_spent(now) && sender_.probe_backoff() <= urgent_backoff_max;
}

bool Connection::copies_help() const {
  const bool is_far = !sender_.rtt().has_sample() || sender_.rtt().least() >= repeated_rtt_min;
  return is_far && (recent_loss_.unknown() || recent_loss_.seen());
}

// While nothing is known of the path copies ride, but no packet goes for their sake.
Instant Connection::repeat_at() const {
  const Repetition& repetition = streams_->outbound().repetition();
  if (repetition.empty() || !copies_help() || !recent_loss_.seen()) return never;
  return repetition.alone_at(sender_.rtt().smoothed() / repeat_alone_share);
}

// One packet of at most room.size() bytes; 0 where there is nothing to send, or nothing may be.
size_t Connection::build_packet(Instant now, MutableBytes room, bool urgent_only) {
  const Turn turn = turn_at(now, room.size());
  if (turn == Turn::nothing && !receiver_.ack_due(now)) return 0;
  // What goes beyond the window is small, also where packets are not.
  const size_t packet_bytes =
      turn == Turn::urgent ? std::min(room.size(), packet_bytes_initial) : room.size();
  Writer out(room.first(packet_bytes - trailer_bytes));
  begin_packet(out);
  const size_t header_bytes = out.size();
  const bool proves = !records_.empty();
  // An address that is not proven may be left with room for less.
  if (receiver_.ack_useful() && out.remaining() >= ack_bytes_least) {
    const PacketNumber largest = receiver_.write_ack(now, out);
    records_.push_back({SentFrame::Kind::ack, false, 0, {}, largest.value});
  }
  const size_t before = out.size();
  size_t urgent = turn == Turn::nothing ? 0 : write_eliciting(now, turn, urgent_only, out);
  const bool says_nothing = out.size() == header_bytes && !proves;
  if (says_nothing) return 0;
  const bool pings = acks_alone_ >= acks_per_ping && out.remaining() > 0;
  const bool elicits = proves || out.size() > before || pings;
  if (elicits && out.size() == before && !proves) write_frame(out, PingFrame{});
  CHECK(out.ok());
  const size_t size = seal_packet(room, out.size());
  acks_alone_ = elicits ? 0 : acks_alone_ + 1;
  sender_.on_sent(now, {.bytes = size, .ack_eliciting = elicits}, records_);
  if (!elicits) return size;
  last_eliciting_sent_ = now;
  recent_loss_.on_sent(sender_.packets_lost() - sender_.packets_lost_spuriously());
  if (turn == Turn::urgent) urgent = size;
  if (urgent > 0) urgent_.spend(now, static_cast<int64_t>(urgent));
  return size;
}

// Gives how many bytes of it were there before.
size_t Connection::write_eliciting(Instant now, Turn turn, bool urgent_only, Writer& out) {
  const size_t before = out.size();
  streams_->write_control(out, records_);
  while (!datagrams_.empty() && turn == Turn::all) {
    const Bytes& bytes = datagrams_.front();
    const bool fits = out.remaining() >= 1 + varint_size(bytes.size()) + bytes.size();
    // Packets may have become smaller since it was queued: what fits into none is dropped.
    if (!fits && bytes.size() < packet_bytes_initial / 2) break;
    if (!fits && out.size() > before) break;
    if (fits) write_frame(out, DatagramFrame{bytes});
    datagrams_.pop();
  }
  const bool repeats = copies_help();
  const size_t copied = streams_->write_data(
      {.now = now,
       .urgent_only = urgent_only || turn == Turn::urgent,
       .remembers = repeats,
       .copy_bytes_max = repeats && !urgent_.is_spent(now) ? out.remaining() : 0,
       .copy_gap = std::min(sender_.rtt().smoothed() / repeat_gap_share, repeat_gap_max)},
      out, records_);
  // A probe must elicit an ack, whatever else there was to say.
  const bool nothing_else = out.size() == before && (ping_due_ || sender_.probes_wanted() > 0);
  if (nothing_else && out.remaining() > 0) write_frame(out, PingFrame{});
  ping_due_ = false;
  return copied;
}

}  // namespace mrt
