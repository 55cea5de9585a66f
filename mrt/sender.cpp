// SPDX-License-Identifier: MIT
#include "mrt/sender.h"

#include <algorithm>

#include "mrt/base/check.h"

namespace mrt {

namespace {

// RFC 9002 section 6.1.1: "The RECOMMENDED initial value for the packet reordering
// threshold (kPacketThreshold) is 3".
constexpr uint64_t packet_threshold = 3;
// What spurious losses may raise it to: a jumbo batch overtaken whole is 64 packets.
constexpr uint64_t packet_threshold_max = 128;
constexpr int reorder_quarters_max = 4;
// RFC 8985 section 6.2: so many recoveries that saw no reordering, and it is forgotten.
constexpr int reorder_memory = 16;
// A number is left out about every so many packets: rare enough to cost nothing, often
// enough that a peer that guesses is caught within a second of bulk.
constexpr uint64_t skip_interval_min = 64;
constexpr uint64_t skip_interval_max = 1024;
// Doublings of the probe time-out. RFC 9002 section 6.2.1 has no end to them, but a peer
// that slept for seconds shall be found awake within two.
constexpr int backoff_max = 6;
constexpr Duration probe_interval_max = std::chrono::seconds(2);
// See loss_at(): a quarter and a half of a time-out behind the first.
constexpr int hasty_probes = 2;
// RFC 9002 section 6.2.4: "An endpoint MAY send up to two full-sized datagrams".
constexpr int probes_per_timeout = 2;
// See loss_at().
constexpr size_t lone_packets = 3;
// A peer's process that is not scheduled for some milliseconds has lost nothing.
constexpr Duration timeout_min = std::chrono::milliseconds(10);
// What 1 Gb/s carries in it is half of the usual socket buffer.
constexpr Duration network_rtt_min = std::chrono::milliseconds(1);
// A receiver and its timers move acks about by that much: from afar by its rests of 2 ms
// (Connection::patience()) and a millisecond more, or the sender wakes just before most acks come.
constexpr Duration overdue_least = std::chrono::milliseconds(2);
constexpr Duration overdue_least_afar = std::chrono::milliseconds(3);
constexpr Duration afar_from = std::chrono::milliseconds(32);  // where a 16th of it is 2 ms
// RFC 9002 section 7.6.1: kPersistentCongestionThreshold.
constexpr int persistent_threshold = 3;
// RFC 9000 section 18.2: max_ack_delay's default, where the peer's own is of no weight.
constexpr Duration ack_delay_usual = std::chrono::milliseconds(25);
// So many packets behind a lost one are remembered for a probe time-out, to learn that it was only
// late.
constexpr uint64_t lost_memory_packets = 4096;
// Packets that held only acks are never acknowledged for their own sake; so many are kept.
constexpr uint64_t ack_only_memory = 256;

}  // namespace

Sender::Sender(const Random::Seed& seed, CongestionControl control, size_t packet_bytes)
    : random_(seed),
      control_(control),
      congestion_(make_congestion(control, packet_bytes)),
      packet_bytes_(packet_bytes),
      skip_at_(random_.below(skip_interval_max)),
      reorder_threshold_(packet_threshold) {
  skip_number_now_and_then();
}

Sender::~Sender() = default;

void Sender::push(Packet packet) { packets_.push(packet); }

void Sender::skip_number_now_and_then() {
  if (packets_.end_number() != skip_at_) return;
  Packet hole;
  hole.state = State::skipped;
  hole.frames_begin = frames_.end_number();
  settled_.add(skip_at_, skip_at_ + 1);
  push(hole);
  skip_at_ += skip_interval_min + random_.below(skip_interval_max - skip_interval_min);
}

void Sender::on_sent(Instant now, const PacketSent& sent, const std::vector<SentFrame>& frames) {
  Packet packet;
  packet.sent_at = now;
  packet.bytes = static_cast<uint32_t>(sent.bytes);
  packet.ack_eliciting = sent.ack_eliciting;
  packet.mtu_probe = sent.mtu_probe;
  packet.served = served_;
  if (in_flight_ == 0) served_at_ = now;  // the rate is not measured over idle time
  packet.served_at = served_at_;
  packet.frames_begin = frames_.end_number();
  packet.frame_count = static_cast<uint32_t>(frames.size());
  for (const SentFrame& frame : frames) frames_.push(frame);
  push(packet);
  ++packets_sent_;
  if (sent.ack_eliciting) {
    // RFC 9002 section 2: ack-eliciting packets count as in flight; ack-only ones do not.
    // A probe of the packet size does neither: it must never hold back data.
    if (!sent.mtu_probe) {
      in_flight_ += sent.bytes;
      ++eliciting_outstanding_;
      last_eliciting_at_ = now;
      pacer_.on_sent(sent.bytes);
      if (probes_wanted_ > 0) --probes_wanted_;
    }
  } else if (packets_.size() > ack_only_memory) {
    drop_settled(now);
  }
  skip_number_now_and_then();
}

void Sender::start_outcome() {
  outcome_.violation = outcome_.acked_eliciting = false;
  outcome_.acked_bytes = outcome_.largest_acked_packet = outcome_.mtu_probe_acked = 0;
  outcome_.lost_packets = outcome_.largest_lost_packet = 0;
  outcome_.smallest_lost_packet = SIZE_MAX;
  outcome_.acked.clear();
  outcome_.lost.clear();
}

const SendOutcome& Sender::on_ack(Instant now, const AckFrame& ack, Duration delay_max) {
  start_outcome();
  // RFC 9000 section 13.1: "Receiving an acknowledgment for a packet that was not sent" is an
  // error.
  if (ack.largest >= packets_.end_number()) {
    outcome_.violation = true;
    return outcome_;
  }
  AckSample sample;
  sample.now = now;
  sample.in_flight_before = in_flight_;
  const bool largest_is_new = packets_.holds(ack.largest) && !acked_.contains(ack.largest);
  ack.for_each_range([&](Interval range) {
    const uint64_t begin = std::max(range.begin, packets_.begin_number());
    if (begin >= range.end) return;
    for (uint64_t n = acked_.first_gap(begin); n < range.end; n = acked_.first_gap(n + 1))
      acknowledge(now, n, sample);
    acked_.add(begin, range.end);
    settled_.add(begin, range.end);
  });
  acked_end_ = std::max(acked_end_, ack.largest + 1);
  if (outcome_.violation) return outcome_;
  // RFC 9002 section 5.1: a sample if the largest acknowledged is new and something new was
  // ack-eliciting.
  if (largest_is_new && outcome_.acked_eliciting) {
    const Packet& largest = packets_[ack.largest];
    if (!largest.old_path) {
      sample.rtt = now - largest.sent_at;
      rtt_.on_sample(sample.rtt, std::min(ack.delay, delay_max));
    }
    if (first_sample_at_ == never) first_sample_at_ = now;
  }
  detect_losses(now);
  passed_end_ = std::max(passed_end_, packets_.begin_number());
  while (passed_end_ < acked_end_) pass_next();
  if (outcome_.acked_eliciting) {
    // RFC 9002 section 6.2.1: the backoff is reset when an acknowledgement comes.
    backoff_ = 0;
    probes_wanted_ = 0;
    congestion_->on_acked(sample, rtt_);
  }
  drop_settled(now);
  return outcome_;
}

void Sender::acknowledge(Instant now, uint64_t number, AckSample& sample) {
  Packet& packet = packets_[number];
  if (packet.state == State::skipped) {
    outcome_.violation = true;  // WIRE.md 4.2
    return;
  }
  if (packet.state == State::lost) {
    tolerate_reordering(now, number);
    // The same that lose() counted.
    if (packet.ack_eliciting && !packet.mtu_probe) ++packets_lost_spuriously_;
    if (packet.ack_eliciting && !packet.mtu_probe && !packet.old_path)
      congestion_->on_lost_spuriously(packet.sent_at);
  } else if (packet.ack_eliciting) {
    settle(number);
  }
  if (packet.ack_eliciting) {
    outcome_.acked_eliciting = true;
    // What another path has carried tells nothing of this one.
    if (!packet.old_path)
      outcome_.largest_acked_packet = std::max<size_t>(outcome_.largest_acked_packet, packet.bytes);
    if (packet.mtu_probe && !packet.old_path)
      outcome_.mtu_probe_acked = std::max<size_t>(outcome_.mtu_probe_acked, packet.bytes);
    outcome_.acked_bytes += packet.bytes;
    if (packet.state == State::outstanding) served_ += packet.bytes;
    served_at_ = now;
    if (!packet.mtu_probe && !packet.old_path && packet.state == State::outstanding)
      sample.bytes += packet.bytes;
    if (packet.sent_at >= sample.sent_at) {
      sample.sent_at = packet.sent_at;
      const Duration span = now - packet.served_at;
      const auto bytes = static_cast<double>(served_ - packet.served);
      sample.service_rate = span > Duration{} ? bytes / to_seconds(span) : 0;
    }
  }
  packet.state = State::acked;
  hand_back(packet, outcome_.acked);
}

// RFC 9002 section 6.1: implementations may "use other algorithms, such as RACK": thresholds
// grow with what reordering was seen. The time as RFC 8985 section 6.2 has it: by a quarter
// of the least round trip, once a round trip, up to a whole one.
void Sender::tolerate_reordering(Instant now, uint64_t number) {
  const uint64_t distance = acked_end_ > number ? acked_end_ - number : 0;
  reorder_threshold_ = std::max(reorder_threshold_, std::min(distance + 1, packet_threshold_max));
  recoveries_ = 0;
  if (now < reorder_raised_at_ + rtt_.smoothed()) return;
  reorder_raised_at_ = now;
  reorder_quarters_ = std::min(reorder_quarters_ + 1, reorder_quarters_max);
}

void Sender::forget_reordering() {
  reorder_threshold_ = packet_threshold;
  reorder_quarters_ = 0;
  recoveries_ = 0;
}

void Sender::settle(uint64_t number) {
  const Packet& packet = packets_[number];
  if (packet.mtu_probe) return;
  CHECK(in_flight_ >= packet.bytes && eliciting_outstanding_ > 0);
  in_flight_ -= packet.bytes;
  --eliciting_outstanding_;
  if (number < passed_end_) passed_bytes_ -= packet.bytes;
}

// Mathis and Mahdavi, "Forward Acknowledgement" (1996): what was sent before an acknowledged packet
// is no longer on the path, whether it is lost or late. Until it is known to be lost the window
// does not stand still for it.
void Sender::pass_next() {
  const Packet& packet = packets_[passed_end_++];
  const bool outstanding = packet.state == State::outstanding;
  if (outstanding && packet.ack_eliciting && !packet.mtu_probe) passed_bytes_ += packet.bytes;
}

void Sender::hand_back(const Packet& packet, std::vector<SentFrame>& out) {
  for (uint64_t f = packet.frames_begin; f < packet.frames_begin + packet.frame_count; ++f)
    out.push_back(frames_[f]);
}

void Sender::lose(uint64_t number, LossSample& sample) {
  Packet& packet = packets_[number];
  packet.state = State::lost;
  settled_.add(number, number + 1);
  hand_back(packet, outcome_.lost);
  if (!packet.ack_eliciting) return;
  settle(number);
  if (packet.mtu_probe) return;  // RFC 8899 section 3: a lost probe is no sign of congestion
  ++packets_lost_;
  if (packet.old_path) return;
  ++outcome_.lost_packets;
  outcome_.largest_lost_packet = std::max<size_t>(outcome_.largest_lost_packet, packet.bytes);
  outcome_.smallest_lost_packet = std::min<size_t>(outcome_.smallest_lost_packet, packet.bytes);
  served_ += packet.bytes;
  sample.bytes += packet.bytes;
  sample.newest_sent_at = std::max(sample.newest_sent_at, packet.sent_at);
}

// RFC 9002 section 6.1: lost is what was sent before an acknowledged packet, and either
// reorder_threshold_ numbers or a time threshold before.
void Sender::detect_losses(Instant now) {
  loss_time_ = never;
  const Duration delay = rtt_.loss_delay() + reorder_quarters_ * rtt_.least() / 4;
  LossSample sample;
  sample.now = now;
  sample.in_flight_before = in_flight_;
  uint64_t first_lost = UINT64_MAX;
  uint64_t last_lost = 0;
  uint64_t n = settled_.first_gap(packets_.begin_number());
  for (; n < acked_end_; n = settled_.first_gap(n + 1)) {
    const Packet& packet = packets_[n];
    if (n + reorder_threshold_ < acked_end_ || packet.sent_at + delay <= now) {
      first_lost = std::min(first_lost, n);
      last_lost = n;
      lose(n, sample);
    } else {
      loss_time_ = std::min(loss_time_, packet.sent_at + delay);
    }
  }
  if (sample.bytes == 0) return;
  if (now >= recovered_at_ + rtt_.smoothed()) {
    recovered_at_ = now;
    if (++recoveries_ > reorder_memory) forget_reordering();
  }
  sample.persistent = is_persistent(first_lost, last_lost);
  congestion_->on_lost(sample, rtt_);
}

// RFC 9002 section 7.6.2: two ack-eliciting lost packets so far apart in time, none between
// them acknowledged, and a sample before both.
bool Sender::is_persistent(uint64_t first_lost, uint64_t last_lost) const {
  const Duration span = persistent_threshold * rtt_.probe_timeout(ack_delay_usual);
  Instant run_started = never;
  for (uint64_t n = first_lost; n <= last_lost; ++n) {
    const Packet& packet = packets_[n];
    if (packet.state == State::acked) run_started = never;
    if (packet.state != State::lost || !packet.ack_eliciting) continue;
    if (packet.sent_at < first_sample_at_) continue;
    run_started = std::min(run_started, packet.sent_at);
    if (packet.sent_at - run_started >= span) return true;
  }
  return false;
}

const SendOutcome& Sender::on_loss_timer(Instant now) {
  start_outcome();
  if (loss_time_ <= now) {
    detect_losses(now);
    drop_settled(now);
  } else if (eliciting_outstanding_ > 0) {
    backoff_ = std::min(backoff_ + 1, backoff_max);
    probes_wanted_ = probes_per_timeout;
    last_eliciting_at_ = now;  // the next time-out counts from here, should no probe leave
  }
  return outcome_;
}

Instant Sender::loss_at(Duration delay_max, bool lossy) const {
  if (loss_time_ != never) return loss_time_;
  if (eliciting_outstanding_ == 0) return never;
  // RFC 8985 section 7.2 too counts the peer's delay only where one packet alone is out: of three
  // two come, and those are acknowledged at once.
  const bool ack_may_wait = eliciting_outstanding_ < lone_packets;
  const Duration once = ack_may_wait ? rtt_.probe_timeout(delay_max)
                                     : std::max(rtt_.probe_timeout(Duration{}), timeout_min);
  // RFC 9002 section 6.2.1 doubles the wait, since it may be the path that is overloaded. Where one
  // packet in five is lost anyway, the first two probes have copies soon behind them.
  if (lossy && backoff_ > 0 && backoff_ <= hasty_probes)
    return last_eliciting_at_ + once * backoff_ / (2 * hasty_probes);
  const int doublings = lossy ? std::max(0, backoff_ - hasty_probes - 1) : backoff_;
  const Duration wait = std::min(once * (1 << doublings), std::max(once, probe_interval_max));
  return last_eliciting_at_ + wait;
}

const std::vector<SentFrame>& Sender::oldest_outstanding(size_t room) {
  oldest_.clear();
  int packets = 0;
  size_t bytes = 0;
  for (uint64_t n = settled_.first_gap(packets_.begin_number()); n < packets_.end_number();
       n = settled_.first_gap(n + 1)) {
    const Packet& packet = packets_[n];
    if (!packet.ack_eliciting || packet.mtu_probe) continue;
    bytes += packet.bytes;
    if (++packets > probes_per_timeout && (backoff_ > 1 || bytes > room)) break;
    hand_back(packet, oldest_);
  }
  return oldest_;
}

void Sender::drop_settled(Instant now) {
  const Duration lost_memory = rtt_.probe_timeout(ack_delay_usual);
  while (!packets_.empty()) {
    const Packet& packet = packets_.front();
    const bool ack_only = packet.state == State::outstanding && !packet.ack_eliciting;
    if (packet.state == State::outstanding && !ack_only) break;
    if (ack_only && packets_.size() <= ack_only_memory) break;
    if (packet.state == State::lost && now - packet.sent_at < lost_memory &&
        packets_.size() <= lost_memory_packets)
      break;
    while (frames_.begin_number() < packet.frames_begin + packet.frame_count) frames_.pop();
    packets_.pop();
  }
  acked_.remove(0, packets_.begin_number());
  settled_.remove(0, packets_.begin_number());
}

void Sender::on_new_path(size_t packet_bytes) {
  rtt_ = Rtt{};
  pacer_ = Pacer{};
  packet_bytes_ = packet_bytes;
  congestion_ = make_congestion(control_, packet_bytes);
  forget_reordering();
  backoff_ = 0;
  first_sample_at_ = never;
  for (uint64_t n = packets_.begin_number(); n < packets_.end_number(); ++n)
    packets_[n].old_path = true;
}

void Sender::on_packet_size(size_t packet_bytes) {
  packet_bytes_ = packet_bytes;
  congestion_->on_packet_size(packet_bytes);
}

void Sender::give_memory_back() {
  packets_.give_memory_back();
  frames_.give_memory_back();
  outcome_.acked = {};
  outcome_.lost = {};
  oldest_ = {};
}

// Where a burst of losses takes the acks, the path would run empty until the next one comes: what
// is out for longer than a round trip has arrived all the same, within bounds.
Instant Sender::overdue_at() const {
  if (!rtt_.has_sample() || rtt_.least() < network_rtt_min) return never;
  if (!packets_.holds(passed_end_) || passed_bytes_ >= congestion_->unheard_bytes_max())
    return never;
  const Duration least = rtt_.least() < afar_from ? overdue_least : overdue_least_afar;
  return packets_[passed_end_].sent_at + rtt_.smoothed() +
         std::max<Duration>(2 * rtt_.variance(), least);
}

// As the pacer does, a millisecond's worth at once.
Instant Sender::window_at(Instant now) const {
  return std::max<Instant>(overdue_at(), now + Rtt::granularity);
}

size_t Sender::window_room(Instant now, size_t peer_buffer) {
  passed_end_ = std::max(passed_end_, packets_.begin_number());
  while (overdue_at() <= now) pass_next();
  // On loopback and a LAN all that is out may lie in the peer's socket. On a longer path it is in
  // the network, and pacing keeps the socket from overflowing.
  const bool all_at_peer = !rtt_.has_sample() || rtt_.least() < network_rtt_min;
  const size_t window =
      all_at_peer ? std::min(congestion_->window_bytes(), std::max(peer_buffer, packet_bytes_))
                  : congestion_->window_bytes();
  const size_t on_path = in_flight_ - passed_bytes_;
  return window > on_path ? window - on_path : 0;
}

size_t Sender::pacing_credit(Instant now) {
  return pacer_.credit(now, congestion_->pacing_bytes_per_second(rtt_), packet_bytes_);
}

Instant Sender::pacing_at() const {
  return pacer_.next(congestion_->pacing_bytes_per_second(rtt_), packet_bytes_);
}

bool Sender::is_consistent() const {
  if (packets_lost_spuriously_ > packets_lost_) return false;
  // Asked at each exit in debug builds: of a window of a usual size, not of every one.
  constexpr size_t packets_walked_max = 4096;
  if (packets_.size() > packets_walked_max) return in_flight_ > 0 || eliciting_outstanding_ == 0;
  size_t in_flight = 0;
  size_t passed = 0;
  size_t eliciting = 0;
  for (uint64_t n = packets_.begin_number(); n < packets_.end_number(); ++n) {
    const Packet& packet = packets_[n];
    const bool outstanding = packet.state == State::outstanding;
    if (outstanding && packet.ack_eliciting && !packet.mtu_probe) {
      in_flight += packet.bytes;
      if (n < passed_end_) passed += packet.bytes;
      ++eliciting;
    }
    const bool hole = packet.state == State::skipped;  // acked by a peer that lies
    if (!hole && acked_.contains(n) != (packet.state == State::acked)) return false;
    if (settled_.contains(n) == outstanding) return false;
  }
  return in_flight == in_flight_ && passed == passed_bytes_ && eliciting == eliciting_outstanding_;
}

}  // namespace mrt
