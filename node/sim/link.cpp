// SPDX-License-Identifier: MIT
#include "node/sim/link.h"

#include <algorithm>

namespace node::sim {

Link::Link(const LinkSpec& spec, const mrt::Random::Seed& seed) : spec_(spec), random_(seed) {}

bool Link::is_later(const InFlight& a, const InFlight& b) {
  return a.arrival != b.arrival ? a.arrival > b.arrival : a.number > b.number;
}

void Link::send(Instant now, Datagram datagram) {
  ++counters_.sent;
  if (spec_.cut) {
    ++counters_.cut;
    return;
  }
  if (is_lost()) {
    ++counters_.lost;
    return;
  }
  const auto departed = departure(now, datagram.bytes.size());
  if (!departed || in_flight_.size() >= in_flight_max) {
    ++counters_.dropped;
    return;
  }
  if (spec_.duplicate > 0 && random_.chance(spec_.duplicate)) {
    ++counters_.duplicated;
    carry(*departed, datagram);
  }
  carry(*departed, std::move(datagram));
}

void Link::clear() {
  counters_.cut += in_flight_.size();
  in_flight_.clear();
  busy_until_ = arrival_latest_ = Instant{};
}

std::optional<Datagram> Link::poll(Instant now) {
  if (next() > now) return std::nullopt;
  std::pop_heap(in_flight_.begin(), in_flight_.end(), is_later);
  Datagram datagram = std::move(in_flight_.back().datagram);
  in_flight_.pop_back();
  ++counters_.delivered;
  return datagram;
}

Instant Link::next() const { return in_flight_.empty() ? mrt::never : in_flight_.front().arrival; }

bool Link::is_lost() {
  if (spec_.burst_loss > 0) {
    // The simple Gilbert model: all is lost in the bad state, and nothing in the good one.
    // The bad state lasts burst_length on average, and holds a share burst_loss of the time.
    const double leave = 1 / std::max(1.0, spec_.burst_length);
    const double enter = leave * spec_.burst_loss / std::max(1e-9, 1 - spec_.burst_loss);
    in_burst_ = random_.chance(in_burst_ ? 1 - leave : enter);
    if (in_burst_) return true;
  }
  return spec_.loss > 0 && random_.chance(spec_.loss);
}

std::optional<Instant> Link::departure(Instant now, size_t size_bytes) {
  if (spec_.rate_bytes_per_s == 0) return now;
  const auto time_for = [this](size_t bytes) {
    return Duration(static_cast<int64_t>(bytes * 1'000'000'000 / spec_.rate_bytes_per_s));
  };
  const Instant start = std::max(now, busy_until_);
  if (start - now > time_for(spec_.queue_bytes)) return std::nullopt;
  busy_until_ = start + time_for(size_bytes);
  return busy_until_;
}

void Link::corrupt(mrt::Bytes& bytes) {
  if (bytes.empty()) return;
  ++counters_.corrupted;
  if (random_.chance(0.25)) {
    bytes.resize(random_.below(bytes.size()));
    return;
  }
  for (uint64_t flips = 1 + random_.below(8); flips > 0; --flips) {
    bytes[random_.below(bytes.size())] ^= static_cast<uint8_t>(1u << random_.below(8));
  }
}

void Link::carry(Instant departure, Datagram datagram) {
  if (spec_.corrupt > 0 && random_.chance(spec_.corrupt)) corrupt(datagram.bytes);
  Instant arrival = departure + spec_.delay;
  if (spec_.jitter > Duration{}) arrival += random_.between(Duration{}, spec_.jitter);
  if (spec_.reorder > 0 && random_.chance(spec_.reorder)) {
    ++counters_.reordered;
    arrival += spec_.reorder_by;
  } else {
    arrival = arrival_latest_ = std::max(arrival, arrival_latest_);
  }
  in_flight_.push_back({arrival, number_next_++, std::move(datagram)});
  std::push_heap(in_flight_.begin(), in_flight_.end(), is_later);
}

}  // namespace node::sim
