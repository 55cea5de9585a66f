// SPDX-License-Identifier: MIT
#include "mrt/connection.h"

#include <algorithm>

namespace mrt {

namespace {

// RFC 9000 section 10.2: the closing and draining states last three probe time-outs.
constexpr int closing_probe_timeouts = 3;
// So many packets of the largest size must find room in the peer's socket buffer at once:
// with fewer, sender and receiver would wait for each other.
constexpr size_t packets_in_buffer_min = 8;
// Unreliable datagrams queued and not yet sent, or received and not yet taken.
constexpr size_t datagrams_queued_max = 64;
constexpr size_t datagrams_held_max = 256;

}  // namespace

Connection::Connection(Instant now, Household& household, const Names& names, const Path& path,
                       const Random::Seed& seed, const NetworkKey& shown)
    : household_(household),
      names_(names),
      seed_(seed),
      path_(path, true),
      sender_(new_random().fork(), household.config.congestion, packet_bytes_initial),
      initiator_id_(names.handshake_id),
      key_shown_(shown) {
  call(now, names.handshake_id, shown);
}

Connection::Connection(Instant now, Household& household, const Names& names, const Path& path,
                       const Random::Seed& seed, const Rcon& rcon,
                       const TransportParameters& theirs, const NetworkKey& key)
    : household_(household),
      names_(names),
      seed_(seed),
      path_(path, false),
      sender_(new_random().fork(), household.config.congestion, packet_bytes_initial) {
  if (!accept(now, rcon, theirs, key)) state_ = State::dead;
}

Random Connection::new_random() {
  Random out(seed_);
  seed_ = out.fork();
  return out;
}

TransportParameters Connection::our_parameters() const {
  const EndpointConfig& config = household_.config;
  TransportParameters p;
  p.message_bytes_max = config.message_bytes_max;
  // A window below the largest message would never let it pass.
  p.connection_window = std::max(config.receive_window_bytes, config.message_bytes_max);
  p.stream_window = config.stream_window_bytes;
  p.streams_open_max = config.streams_open_max;
  p.messages_open_max = config.messages_open_max;
  p.idle_timeout = config.idle_timeout;
  p.udp_payload_max = std::max(config.mtu_bytes_max, packet_bytes_initial);
  p.socket_buffer = config.socket_buffer_bytes;
  p.ack_delay_max = Receiver::ack_delay_max;
  if (config.plain) p.reset_token = names_.reset_token;  // else it is told in a sealed packet
  return p;
}

void Connection::start_open(Instant now, bool initiator) {
  state_ = State::open;
  calling_.reset();
  timers_.clear_all();
  known_to_user_ = true;
  const TransportParameters ours = our_parameters();
  streams_.emplace(names_.id, initiator, household_.config, ours, theirs_);
  mtu_ = MtuProber(mtu_limit());
  // RFC 9000 section 10.1: the lesser of both.
  idle_timeout_ = std::min(ours.idle_timeout, theirs_.idle_timeout);
  last_received_ = now;
  // The initiator shows that the ACON arrived, and each side who it is.
  ping_due_ = initiator || !seal_->is_plain();
  if (!opening_->keys_logged.empty())
    household_.events.push(KeysLogged{std::move(opening_->keys_logged)});
  household_.events.push(Connected{names_.id, initiator});
  end_opening();
  update_timers(now);
}

size_t Connection::mtu_limit() const {
  return std::max(packet_bytes_initial, std::min({household_.config.mtu_bytes_max,
                                                  static_cast<size_t>(theirs_.udp_payload_max),
                                                  peer_buffer() / packets_in_buffer_min}));
}

// WIRE.md 3.8: half of what the peer's kernel holds.
size_t Connection::peer_buffer() const {
  return static_cast<size_t>(std::min<uint64_t>(theirs_.socket_buffer / 2, SIZE_MAX));
}

void Connection::on_reset(const Reset& reset) {
  if (state_ != State::open || !theirs_.reset_token || reset.token != *theirs_.reset_token) return;
  report_closed(CloseCode::reset, true, "");
  state_ = State::dead;
}

void Connection::abandon() {
  if (!is_over()) report_closed(CloseCode::reset, true, "the peer connected anew");
  state_ = State::dead;
}

// -- Closing (WIRE.md 5.4) --

void Connection::report_closed(CloseCode code, bool by_peer, std::string reason) {
  timers_.clear_all();
  if (known_to_user_) household_.events.push(Closed{names_.id, code, by_peer, std::move(reason)});
}

void Connection::linger(Instant now, State state) {
  state_ = state;
  streams_.reset();
  datagrams_.clear();
  path_answers_.clear();
  timers_.set(Timer::closed, now + closing_probe_timeouts * probe_timeout());
}

void Connection::close(Instant now, CloseCode code, std::string_view reason) {
  if (is_over()) return;
  close_code_ = code;
  close_reason_ = reason.substr(0, close_reason_bytes_max);
  const bool peer_knows = state_ == State::open;
  report_closed(code, false, close_reason_);
  if (!peer_knows) {
    state_ = State::dead;
    return;
  }
  linger(now, State::closing);
  close_due_ = true;
}

void Connection::close_when_sent(Instant now, CloseCode code, std::string_view reason,
                                 Duration limit) {
  if (is_over()) return;
  if (state_ != State::open) return close(now, code, reason);
  flushing_ = true;
  close_code_ = code;
  close_reason_ = reason.substr(0, close_reason_bytes_max);
  timers_.set(Timer::flush, now + limit);
  close_if_flushed(now);
}

void Connection::close_if_flushed(Instant now) {
  if (flushing_ && state_ == State::open && streams_->outbound().all_acked())
    close(now, close_code_, std::string(close_reason_));
}

// -- Time --

Duration Connection::probe_timeout() const { return sender_.probe_timeout(theirs_.ack_delay_max); }

void Connection::on_timeout(Instant now) {
  if (timers_.expire(Timer::handshake_limit, now)) {
    report_closed(CloseCode::handshake_timeout, false, "");
    state_ = State::dead;
  }
  if (timers_.expire(Timer::closed, now)) state_ = State::dead;
  if (timers_.expire(Timer::handshake, now) && calling_) calling_->out.due = true;
  if (timers_.expire(Timer::closing, now)) close_due_ = true;
  if (state_ == State::dead) timers_.clear_all();
  if (state_ != State::open) return;

  if (timers_.expire(Timer::idle, now)) {
    report_closed(CloseCode::idle_timeout, false, "");
    state_ = State::dead;
    return;
  }
  if (timers_.expire(Timer::flush, now)) {
    close(now, close_code_, std::string(close_reason_));
    return;
  }
  timers_.expire(Timer::ack, now);  // poll_transmit() asks the receiver itself
  timers_.expire(Timer::pacing, now);
  timers_.expire(Timer::repeat, now);
  if (timers_.expire(Timer::keep_alive, now)) {
    ping_due_ = true;
    kept_alive_ = now;
    give_memory_back();
  }
  if (timers_.expire(Timer::loss, now)) {
    on_outcome(sender_.on_loss_timer(now));
    if (sender_.probes_wanted() > 0)
      for (const SentFrame& frame :
           sender_.oldest_outstanding(sender_.window_room(now, peer_buffer())))
        streams_->on_lost(frame);
  }
  if (timers_.expire(Timer::mtu, now)) mtu_.on_timeout(now, recent_loss_.share());
  if (timers_.expire(Timer::old_key, now)) seal_->forget_old_key();
  if (timers_.expire(Timer::path, now)) {
    const Path old = path_.path();
    if (path_.on_timeout(now)) start_path(old, false);
  }
  update_timers(now);
}

// In a time of silence: what is busy has its buffers, what is idle is small.
void Connection::give_memory_back() {
  streams_->give_memory_back();
  sender_.give_memory_back();
  datagrams_.give_memory_back();
  if (path_answers_.empty()) path_answers_ = {};
}

// Beyond what a queue drops when a flow fills it now and then.
static constexpr double lossy_share = 0.02;

void Connection::update_timers(Instant now) {
  if (state_ != State::open) return;
  // RFC 9002 section 6.2.2.1: with nothing to be sent to an unproven address no timer helps.
  const bool may_send = path_.allowance() >= short_packet_bytes_min;
  // An ack that is due goes with the next poll_transmit().
  timers_.set(Timer::ack, may_send && !receiver_.ack_due(now) ? receiver_.ack_at() : never);
  timers_.set(Timer::loss,
              may_send ? sender_.loss_at(theirs_.ack_delay_max, recent_loss_.share() > lossy_share)
                       : never);
  // So does a copy, unless neither window nor urgent_ lets it: then the next ack does.
  timers_.set(Timer::repeat, repeat_at() > now ? repeat_at() : never);
  timers_.set(Timer::mtu, mtu_.deadline());
  timers_.set(Timer::path, path_.deadline());
  // RFC 9000 section 10.1: never below three probe time-outs.
  timers_.set(Timer::idle, last_received_ + std::max<Duration>(idle_timeout_, 3 * probe_timeout()));
  if (household_.config.keep_alive > Duration{})
    timers_.set(Timer::keep_alive, std::max({last_received_, last_eliciting_sent_, kept_alive_}) +
                                       household_.config.keep_alive);
  streams_->announce(household_.events);
  close_if_flushed(now);
}

// -- Commands --

std::optional<StreamId> Connection::open_stream(Priority priority) {
  if (!takes_commands()) return std::nullopt;
  return streams_->open(priority);
}

void Connection::set_priority(StreamId stream, Priority priority) {
  if (takes_commands()) streams_->set_priority(stream, priority);
}

size_t Connection::write(StreamId stream, ByteView bytes) {
  return takes_commands() ? streams_->write(stream, bytes) : 0;
}

void Connection::finish(StreamId stream) {
  if (takes_commands()) streams_->finish(stream);
}

void Connection::reset_stream(StreamId stream, uint64_t code) {
  if (takes_commands()) streams_->reset(stream, std::min(code, varint_max));
}

size_t Connection::read(StreamId stream, MutableBytes out) {
  return state_ == State::open ? streams_->read(stream, out, household_.events) : 0;
}

bool Connection::send_message(Priority priority, SharedBytes bytes) {
  return takes_commands() && streams_->send_message(priority, std::move(bytes));
}

bool Connection::send_datagram(ByteView bytes) {
  const size_t head = 1 + varint_size(bytes.size());
  const size_t room = mtu_.packet_bytes() - next_header().size() - trailer_bytes;
  if (!takes_commands() || head + bytes.size() > room || datagrams_.size() >= datagrams_queued_max)
    return false;
  datagrams_.push(Bytes(bytes.begin(), bytes.end()));
  return true;
}

void Connection::on_datagram(const DatagramFrame& frame) {
  if (datagrams_held_ >= datagrams_held_max) return;
  ++datagrams_held_;
  household_.events.push(
      DatagramReceived{names_.id, Bytes(frame.bytes.begin(), frame.bytes.end())});
}

bool Connection::on_message_taken(size_t bytes) {
  if (!streams_) return false;
  streams_->on_message_taken(bytes);
  return streams_->inbound().anything_to_send();
}

// -- Getters --

ConnectionStats Connection::stats() const {
  ConnectionStats out;
  out.packets_received = counters_.packets_received;
  out.packets_corrupt = counters_.packets_corrupt;
  out.bytes_sent = counters_.bytes_sent;
  out.bytes_received = counters_.bytes_received;
  const Rtt& rtt = sender_.rtt();
  out.path = path_.path();
  if (rtt.has_sample()) {
    out.rtt = rtt.smoothed();
    out.rtt_latest = rtt.latest();
    out.rtt_variance = rtt.variance();
  }
  out.window_bytes = sender_.congestion_window();
  out.in_flight_bytes = sender_.in_flight_bytes();
  if (streams_) {
    out.queued_bytes = static_cast<size_t>(streams_->outbound().queued_bytes());
    out.bytes_retransmitted = streams_->outbound().retransmitted_bytes();
  }
  out.packets_sent = sender_.packets_sent();
  out.packets_lost = sender_.packets_lost();
  out.packets_lost_spuriously = sender_.packets_lost_spuriously();
  out.mtu_bytes = mtu_.packet_bytes();
  out.last_received = last_received_;
  out.sealed = seal_ && !seal_->is_plain();
  out.key_updates = seal_ ? seal_->key_updates() : 0;
  return out;
}

Duration Connection::patience() const {
  // What a reading costs, some 50 us with the wake-up, is saved from a few packets on. Of sixteen
  // acknowledgements in a round trip one may be lost, and the congestion controller's share of the
  // queue lasts until the next (measured: 15 s/GB of CPU with 32 of them, 9 with 16).
  constexpr int share = 16;
  constexpr Duration most = std::chrono::milliseconds(2);
  constexpr Duration least = std::chrono::microseconds(250);
  const Rtt& rtt = sender_.rtt();
  // Acknowledgements alone come as rarely as the other side reads: they are read at once.
  const bool data_follows = packets_follow_ && receiver_.ack_useful();
  if (state_ != State::open || !data_follows || !rtt.has_sample()) return Duration{};
  const Duration out = std::min<Duration>(rtt.least() / share, most);
  return out < least ? Duration{} : out;
}

size_t Connection::send_room() const { return takes_commands() ? streams_->outbound().room() : 0; }

bool Connection::is_consistent() const {
  if (!sender_.is_consistent() || !receiver_.is_consistent()) return false;
  if ((state_ == State::open) != streams_.has_value() && state_ != State::dead) return false;
  if (state_ == State::open && (!seal_ || !streams_->is_consistent())) return false;
  if (state_ == State::requesting && !calling_) return false;
  if (state_ == State::open && calling_) return false;
  if (state_ == State::half_open && opening_->answer.packet.empty()) return false;
  if ((state_ == State::requesting || state_ == State::half_open) &&
      (timers_.at(Timer::handshake_limit) == never))
    return false;
  if ((state_ == State::closing || state_ == State::draining) && timers_.at(Timer::closed) == never)
    return false;
  return state_ != State::open || timers_.at(Timer::idle) != never;
}

}  // namespace mrt
