// SPDX-License-Identifier: MIT
#include "mrt/delay_model.h"

#include <algorithm>
#include <cmath>

namespace mrt {

namespace {

// RFC 9002 section 7.2 says 2; with 4 a single loss is still found by its followers.
constexpr double window_packets_min = 4;
// RFC 6928's ten are of 2013 and go out in one burst; these are paced over the first round trip,
// and spare a path of 100 ms two of them.
constexpr double window_packets_initial = 32;
constexpr double window_bytes_initial_max = 32 * 1500;
// What is divided by: a clock may measure nothing, a path takes longer.
constexpr Duration round_trip_least = std::chrono::microseconds(10);
// 10 Gb/s at 0.8 s: keeps sums far from overflow.
constexpr double window_bytes_limit = 1e9;

// Kept in the queue: so many packets, whatever the rate (rule 4: more makes flows equal sooner, and
// the queue of many flows longer) ...
constexpr double queued_packets = 3;
// ... and a 20th of the least round trip, but at least a millisecond: that much a timer and a
// scheduler move packets about.
constexpr int queued_share = 20;
constexpr Duration queued_least = std::chrono::milliseconds(1);

// RFC 9406's measure of a rise: an eighth of the round trip. Its 4 ms at least are for kernels
// that see whole segments batched; our batches are paced to 1 ms.
constexpr int rise_share = 8;
constexpr Duration rise_least = std::chrono::milliseconds(2);
// HyStart++ takes eight samples of a round trip; ours are one for each ack, two packets.
// Of a fast path more are waited for, but no longer than an eighth of a round trip.
constexpr int few_samples_min = 8;
constexpr int few_samples_max = 32;
constexpr int few_share = 8;
// What moves single packets about is no queue: the mean difference of one sample to the next, as
// RFC 3550 section 6.4.1 has it, with its gain of 1/16. Half a millisecond of it is our own doing:
// timers, batches, a receiver that rests. The least of a few samples lies up to four times the rest
// above the path's where packets keep their order, since the late ones hold up those behind (100
// Mb/s, 10 ms of jitter: 10 Mb/s in some runs without this, 64 and more with it).
constexpr int jitter_share = 16;
constexpr Duration jitter_own = std::chrono::microseconds(500);
constexpr int jitter_times = 4;
// Packets come in pairs, and so do their acknowledgements.
constexpr double grain_packets = 4;
// What the rate is multiplied by in each round trip of startup. Twice is usual (and 2.9 what BBR
// paces at); on 100 Mb/s at 100 ms this finds the rate a round trip sooner, and fills no more of a
// queue of one bandwidth-delay product than it holds. Acknowledgements that saw a queue of a 20th
// of the round trip bring no more: the rest of a flight would overflow it.
constexpr double startup_gain = 2.4;
constexpr int growing_share = 20;
// The first flights grow faster still, as long as nothing is seen to queue: up to about a hundred
// packets, which overflow no queue of a few milliseconds at 100 Mb/s, and up to 24 Mb/s, which
// spares a path of 100 ms a round trip. Twice as many packets leave a newcomer on 20 ms less beside
// CUBIC, whose queue it then takes for its own.
constexpr double opening_gain = 4;
constexpr double opening_packets = 96;
constexpr double opening_bytes_per_second = 3e6;
// Of startup's a quarter more is the least to go on for (BBR,
// draft-cardwell-iccrg-bbr-congestion-control section 4.3.1.2). Two rounds, not three, since what
// a short queue loses doubles with each; not one, since the first are of a few packets.
constexpr double startup_growth = 1.25;
constexpr int flat_rounds_max = 2;

// A queue that others fill is longer than a quarter of the round trip: eight of our own flows keep
// less, and CUBIC in a queue of one bandwidth-delay product never goes below 0.4 of it.
constexpr int long_share = 4;
constexpr Duration long_least = std::chrono::milliseconds(1);
constexpr int long_rounds_max = 2;
// After a drain of our own that much is left only by others: eight of our own flows leave less.
constexpr int others_share = 16;
// Competing, and no queue to be seen: the others have gone.
constexpr int short_rounds_max = 8;

// A drain goes below what the path holds for two round trips: one until the queue is gone, and one
// that sees it gone. To look, a little below; to ask whether others are there, a quarter. To see
// the path behind a queue of others, nearly all: where CUBIC alone fills the path and no more, it
// shows only to who gives way so far.
constexpr int drain_rounds = 2;
constexpr double drain_share_look = 0.95;
constexpr double drain_share_ask = 0.75;
constexpr double drain_share_deep = 0.1;
constexpr Duration drain_interval = std::chrono::seconds(5);
// A round trip less than the least: others are here, and the truth may lie deeper still.
constexpr Duration look_again = std::chrono::milliseconds(500);
// The first look comes sooner: whoever came late has seen only a queue.
constexpr Duration look_first = std::chrono::seconds(1);
// What the window was before others came is remembered one to two of these.
constexpr Duration share_period = std::chrono::seconds(5);
// The least round trip is remembered one to two of these: several drains. Longer than a route
// usually lasts would make a longer one look like a competitor's queue.
constexpr Duration base_period = std::chrono::seconds(20);

// Rule 3. A window that is a fifth larger must bring a tenth more rate, and so on, or at least no
// more losses: with one packet in five lost, or a radio's bursts, what two round trips of 90
// packets tell of either varies by 3 %.
constexpr double trial_growth = 1.2;
constexpr double trial_gain = 0.5;
constexpr double trial_loss = 0.05;
constexpr int trial_rounds = 2;
// What a window so much larger brings is none of what it is compared with.
constexpr double reference_growth = 1.05;
// Where a few round trips have shown no queue at all, the window leaps, further each time.
constexpr int calm_rounds_min = 3;
constexpr double leap_step = 1.25;
constexpr double leap_max = 2;
// After any leap of the window: one round trip until what was sent since is acknowledged, and
// one of that.
constexpr int settle_rounds = 2;
constexpr int leap_share = 8;
// Until it is tried again, from a little below: a shallow queue then loses packets in few rounds.
constexpr int held_rounds = 16;
constexpr double held_share = 0.9;

}  // namespace

DelayModel::DelayModel(size_t packet_bytes)
    : packet_(static_cast<double>(packet_bytes)),
      window_(std::min(window_packets_initial * packet_,
                       std::max(2 * packet_, window_bytes_initial_max))),
      cubic_(packet_bytes),
      leap_(leap_step) {}

double DelayModel::window_min() const { return window_packets_min * packet_; }

bool DelayModel::queue_grows() const {
  if (few_before_ == Duration::max()) return false;
  return few_before_ - base() >
         std::max<Duration>(base() / growing_share, rise_least / 2) + grain();
}

double DelayModel::gain_in_startup() const {
  const double path = base() == Duration::max() ? 0 : to_seconds(base());
  const double opening = std::max(opening_packets * packet_, opening_bytes_per_second * path);
  return window_ < opening ? opening_gain : startup_gain;
}

// What a few packets take at the bottleneck: below that no queue can be told.
Duration DelayModel::grain() const {
  if (best_rate_ <= 0) return Duration{};
  const std::chrono::duration<double> seconds(grain_packets * packet_ / best_rate_);
  return std::min<Duration>(std::chrono::duration_cast<Duration>(seconds), base());
}

Duration DelayModel::long_queue() const {
  return std::max<Duration>(base() / long_share, long_least) + grain();
}

Duration DelayModel::kept_queue() const {
  return std::max<Duration>(base() / queued_share, queued_least);
}

// While acks are missing: more than a burst of losses on the way back takes, and no queue of a
// bandwidth-delay product overflows by it. Only where the delay rules the window: it tells where
// they were not lost, but late.
size_t DelayModel::unheard_bytes_max() const {
  constexpr double share = 4;
  return mode_ == Mode::steady && drain_rounds_ == 0 ? static_cast<size_t>(window_ / share) : 0;
}

size_t DelayModel::window_bytes() const {
  const bool competing = mode_ == Mode::compete && drain_rounds_ == 0;
  return competing ? cubic_.window_bytes() : static_cast<size_t>(window_);
}

// RFC 9002 section 7.7. In startup so that the window may grow as it does; later the window rules,
// and pacing only keeps bursts apart. By the least round trip: the smoothed one remembers a queue
// that is gone, and would leave the path idle then.
double DelayModel::pacing_bytes_per_second(const Rtt& rtt) const {
  if (mode_ == Mode::compete && drain_rounds_ == 0) return cubic_.pacing_bytes_per_second(rtt);
  constexpr double gain_later = 1.25;
  const Duration round_trip = base() == Duration::max() ? rtt.smoothed() : base() + kept_queue();
  const double gain = mode_ == Mode::startup ? gain_in_startup() : gain_later;
  return gain * window_ / to_seconds(std::max(round_trip, round_trip_least));
}

void DelayModel::on_base(Instant now, Duration rtt) {
  if (now >= base_since_ + base_period) {
    base_before_ = base_;
    base_ = rtt;
    base_since_ = now;
  }
  if (now >= share_since_ + share_period) {
    share_before_ = share_;
    share_ = 0;
    share_since_ = now;
  }
  base_ = std::min(base_, rtt);
}

void DelayModel::on_jitter(Duration rtt) {
  if (rtt_before_ > Duration{})
    jitter_ += (std::chrono::abs(rtt - rtt_before_) - jitter_) / jitter_share;
  rtt_before_ = rtt;
}

Duration DelayModel::without_jitter(Duration delay) const {
  return std::max(Duration{}, delay - jitter_times * std::max(Duration{}, jitter_ - jitter_own));
}

void DelayModel::on_acked(const AckSample& sample, const Rtt& rtt) {
  const Instant now = sample.now;
  if (base_since_ == Instant::min()) {
    base_since_ = drained_at_ = now;
    if (rtt.has_sample()) on_base(now, rtt.least());
  }
  const bool used =
      static_cast<double>(sample.in_flight_before) >= static_cast<double>(window_bytes()) / 2;
  round_.used = round_.used || used;
  round_.acked += static_cast<double>(sample.bytes);
  few_bytes_ += static_cast<double>(sample.bytes);
  if (sample.rtt > Duration{}) {
    on_base(now, sample.rtt);
    round_.most = std::max(round_.most, sample.rtt);
    on_jitter(sample.rtt);
    ++round_.samples;
  }
  if (mode_ == Mode::startup) {
    // Before the first sample base() is the largest duration there is: nothing may be added to it.
    const double gain = rtt.latest() - rise_least < base() ? gain_in_startup() : startup_gain;
    if (used && !queue_grows()) window_ += (gain - 1) * static_cast<double>(sample.bytes);
  } else if (mode_ == Mode::compete && drain_rounds_ == 0) {
    cubic_.on_acked(sample, rtt);
  }
  if (sample.rtt > Duration{}) on_few(sample);
  window_ = std::min(window_, window_bytes_limit);
  if (sample.sent_at >= round_.started) on_round_end(now);
}

// The least of a few samples is the queue as it is now, without what moves single packets about.
void DelayModel::on_few(const AckSample& sample) {
  few_least_ = std::min(few_least_, sample.rtt);
  ++few_samples_;
  const bool enough =
      few_samples_ >= few_samples_min && sample.now >= few_since_ + base() / few_share;
  if (!enough && few_samples_ < few_samples_max) return;
  const Duration queue = few_least_ - base();
  const double rate = few_bytes_ / std::max(1e-6, to_seconds(sample.now - few_since_));
  few_before_ = few_least_;
  few_least_ = Duration::max();
  few_samples_ = 0;
  few_since_ = sample.now;
  few_bytes_ = 0;
  // Acknowledgements that came bunched tell too much, and a whole flight too little.
  if (mode_ == Mode::startup &&
      queue >= std::max<Duration>(base() / rise_share, rise_least) + grain())
    leave_startup(sample.now, std::clamp(rate, sample.service_rate, 2 * sample.service_rate));
}

// The window has grown more than twofold since the packets went that are acknowledged now: not it,
// but the rate at which they were served tells what the path holds.
void DelayModel::leave_startup(Instant now, double rate) {
  mode_ = Mode::steady;
  service_rate_ = rate;
  window_ = std::max(window_min(),
                     std::min(window_, rate * to_seconds(base()) + queued_packets * packet_));
  trial_ = Trial{};
  reference_ = Reference{};
  settle_rounds_ = settle_rounds;
  drained_at_ = now + look_first - drain_interval;
  base_before_drain_ = base();  // not the handshake's, which took some computing
  round_ = Round{};             // what it has seen so far was another window's
  round_.started = now;
}

void DelayModel::on_round_end(Instant now) {
  const Round round = round_;
  round_ = Round{};
  round_.started = now;
  if (round.samples == 0 || round.started == Instant::min()) return;
  const double seconds = std::max(1e-6, to_seconds(now - round.started));
  const Duration delay =
      std::min(few_samples_ < few_samples_min ? few_before_ : few_least_, few_least_) - base();
  const double rate = round.acked / seconds;
  longest_queue_ = std::max(round.most - base(), longest_queue_ * 31 / 32);
  if (drain_rounds_ > 0) {
    if (--drain_rounds_ == 0) finish_drain(now, delay);
    return;
  }
  if (round.used) service_rate_ = (round.acked + round.lost) / seconds;
  switch (mode_) {
    case Mode::startup:
      if (!round.used) return;
      flat_rounds_ = rate >= best_rate_ * startup_growth ? 0 : flat_rounds_ + 1;
      best_rate_ = std::max(best_rate_, rate);
      if (flat_rounds_ >= flat_rounds_max) leave_startup(now, best_rate_);
      return;
    case Mode::compete:
      look_around(now, delay);
      return;
    case Mode::steady:
      if (round.used) steer(now, delay, {rate, round.lost / seconds});
      return;
  }
}

// Others who came before us have given way, or we have: what was taken for the path was their
// queue.
bool DelayModel::base_fell() const {
  return base() < base_before_drain_ - (kept_queue() + grain()) / 2;
}

// Window times base / (base + queue) is what the path holds; what is to be queued comes on top.
void DelayModel::steer(Instant now, Duration delay, const Rates& rates) {
  if (settle_rounds_ > 0 && --settle_rounds_ > 0) return;
  const Duration queue = without_jitter(delay);
  const Duration keep = kept_queue();
  long_rounds_ = queue > long_queue() ? long_rounds_ + 1 : 0;
  calm_rounds_ = queue < keep / 2 ? calm_rounds_ + 1 : 0;
  share_ = std::max(share_, window_);
  const bool squeezed = window_ < std::max(share_, share_before_) / 2 && delay > keep;
  if (long_rounds_ > long_rounds_max || (squeezed && now >= drained_at_ + look_again))
    return start_drain(now, true, Mode::steady);
  if (now >= drained_at_ + (base_fell() ? look_again : drain_interval))
    return start_drain(now, false, Mode::steady);
  const double before = window_;
  const double wanted =
      window_ * to_seconds(base() + keep) / to_seconds(std::max(base() + queue, round_trip_least)) +
      queued_packets * packet_;
  if (wanted <= window_) {
    window_ = std::max(wanted, window_min());
    trial_ = Trial{};
    leap_ = leap_step;
    refer(rates);
  } else if (now < held_until_) {
    refer(rates);
  } else if (pays(now, rates)) {
    grow(wanted);
  }
  if (std::abs(window_ - before) > before / leap_share)
    settle_rounds_ = std::max(settle_rounds_, settle_rounds);
}

// The window, and what it brings: a larger one is compared with that.
void DelayModel::refer(const Rates& rates) {
  const bool anew = reference_.window == 0 || window_ < reference_.window / trial_growth;
  if (anew) reference_ = {window_, rates};
  if (window_ > reference_.window * reference_growth) return;
  reference_.rates.acked = (3 * reference_.rates.acked + rates.acked) / 4;
  reference_.rates.lost = (3 * reference_.rates.lost + rates.lost) / 4;
  reference_.window = std::min(reference_.window, window_);
}

// Rule 3. True where the window may grow on; it stands still while what it brings is measured.
bool DelayModel::pays(Instant now, const Rates& rates) {
  if (window_ < reference_.window * trial_growth || reference_.window == 0) {
    refer(rates);
    return true;
  }
  trial_.rates.acked += rates.acked / trial_rounds;
  trial_.rates.lost += rates.lost / trial_rounds;
  if (++trial_.rounds < trial_rounds) return false;
  const Rates brings = trial_.rates;
  trial_ = Trial{};
  const double growth = window_ / reference_.window;
  const bool rises = brings.acked >= reference_.rates.acked * (1 + trial_gain * (growth - 1));
  if (rises || brings.lost_share() < reference_.rates.lost_share() + trial_loss) {
    reference_ = {window_, brings};
    return true;
  }
  window_ = std::max(reference_.window * held_share, window_min());
  reference_ = Reference{};
  leap_ = leap_step;
  held_until_ = now + held_rounds * base();
  return false;
}

void DelayModel::grow(double wanted) {
  if (calm_rounds_ < calm_rounds_min) {
    window_ = wanted;
    if (window_ >= reference_.window * trial_growth) settle_rounds_ = settle_rounds;
  } else {
    window_ = std::max(wanted, window_ * leap_);
    leap_ = std::min(leap_ * leap_step, leap_max);
    settle_rounds_ = settle_rounds + 1;  // a short queue drops what is sent at once
  }
}

// While competing: the question is put when the queue is long. Just after all have given way it is
// short, and then others do not show.
void DelayModel::look_around(Instant now, Duration queue) {
  short_rounds_ = queue < kept_queue() + grain() ? short_rounds_ + 1 : 0;
  if (short_rounds_ >= short_rounds_max) {
    window_ = static_cast<double>(cubic_.window_bytes());
    mode_ = Mode::steady;
    return;
  }
  if (now >= drained_at_ + drain_interval && queue >= longest_queue_ * 3 / 4)
    start_drain(now, true, Mode::compete);
}

void DelayModel::start_drain(Instant now, bool asks, Mode then) {
  const double share = asks ? drain_share_ask : (base_fell() ? drain_share_deep : drain_share_look);
  drained_window_ = static_cast<double>(window_bytes());
  mode_ = then;
  drain_asks_ = asks;
  base_before_drain_ = base();
  drain_rounds_ = drain_rounds;
  drained_at_ = now;
  long_rounds_ = 0;
  window_ =
      std::max(window_min(), std::min(drained_window_, share * service_rate_ * to_seconds(base())));
}

void DelayModel::finish_drain(Instant now, Duration queue) {
  if (drain_asks_ && queue > base() / others_share + kept_queue() + grain()) return compete(now);
  if (drain_asks_ && mode_ == Mode::steady) share_ = share_before_ = 0;
  mode_ = Mode::steady;
  trial_ = Trial{};
  if (drain_asks_) reference_ = Reference{};
  settle_rounds_ = settle_rounds;
  // Before a look all was well, and what the window is compared with holds on: it may be losing
  // now. After a question the path's share is found anew.
  window_ = drain_asks_ ? window_ / drain_share_ask + queued_packets * packet_ : drained_window_;
}

// With what was its share before the others took it; from there on like any newcomer.
void DelayModel::compete(Instant now) {
  drained_at_ = now;
  if (mode_ == Mode::compete) return;
  mode_ = Mode::compete;
  cubic_.start(std::max({window_, share_, share_before_}) / 2);
  short_rounds_ = 0;
}

void DelayModel::on_lost(const LossSample& sample, const Rtt& rtt) {
  round_.lost += static_cast<double>(sample.bytes);
  few_bytes_ += static_cast<double>(sample.bytes);
  if (sample.persistent) {
    // RFC 9002 section 7.6.2.
    window_ = window_min();
    mode_ = Mode::startup;
    drain_rounds_ = 0;
    best_rate_ = 0;
    flat_rounds_ = 0;
    return;
  }
  if (mode_ != Mode::compete || drain_rounds_ > 0) return;
  if (rtt.latest() - base() >= longest_queue_ / 2) cubic_.on_lost(sample, rtt);
}

void DelayModel::on_lost_spuriously(Instant sent_at) {
  if (mode_ == Mode::compete) cubic_.on_lost_spuriously(sent_at);
}

void DelayModel::on_packet_size(size_t packet_bytes) {
  packet_ = static_cast<double>(packet_bytes);
  cubic_.on_packet_size(packet_bytes);
  window_ = std::max(window_, window_min());
}

std::unique_ptr<Congestion> make_congestion(CongestionControl kind, size_t packet_bytes) {
  if (kind == CongestionControl::cubic) return std::make_unique<Cubic>(packet_bytes);
  return std::make_unique<DelayModel>(packet_bytes);
}

}  // namespace mrt
