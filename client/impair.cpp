// SPDX-License-Identifier: MIT
#include "client/impair.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "client/text.h"

namespace client {

namespace {

struct Number {
  double value;
  std::string_view unit;
};

std::optional<Number> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || !std::isfinite(value) || value < 0) return std::nullopt;
  return Number{value, text.substr(static_cast<size_t>(end - text.data()))};
}

/// "5%" or "0.05".
bool parse_chance(std::string_view text, double& out) {
  const auto number = parse_number(text);
  if (!number || (number->unit != "%" && !number->unit.empty())) return false;
  out = number->unit == "%" ? number->value / 100 : number->value;
  return out <= 1;
}

/// "30ms", "2s", "500us". At most a minute: beyond it no connection lives.
bool parse_delay(std::string_view text, mrt::Duration& out) {
  const auto number = parse_number(text);
  if (!number) return false;
  const double ns = number->unit == "us"   ? 1e3
                    : number->unit == "ms" ? 1e6
                    : number->unit == "s"  ? 1e9
                                           : 0;
  if (ns == 0 || number->value * ns > 60e9) return false;
  out = mrt::Duration(static_cast<int64_t>(number->value * ns));
  return true;
}

/// "10mbit", "64kbit", "1gbit", as tc(8) writes them. From 1 kbit to 1 Tbit.
bool parse_rate(std::string_view text, uint64_t& out) {
  const auto number = parse_number(text);
  if (!number) return false;
  const std::string unit = to_lower(number->unit);
  const double bits = unit == "kbit" ? 1e3 : unit == "mbit" ? 1e6 : unit == "gbit" ? 1e9 : 0;
  const double rate = number->value * bits;
  if (rate < 1e3 || rate > 1e12) return false;
  out = static_cast<uint64_t>(rate);
  return true;
}

bool parse_seed(std::string_view text, uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool parse_field(std::string_view key, std::string_view value, ImpairSpec& spec) {
  if (key == "loss") return parse_chance(value, spec.loss);
  if (key == "dup") return parse_chance(value, spec.duplicate);
  if (key == "reorder") return parse_chance(value, spec.reorder);
  if (key == "corrupt") return parse_chance(value, spec.corrupt);
  if (key == "delay") return parse_delay(value, spec.delay);
  if (key == "jitter") return parse_delay(value, spec.jitter);
  if (key == "rate") return parse_rate(value, spec.rate_bits);
  if (key == "seed") return parse_seed(value, spec.seed);
  return false;
}

}  // namespace

std::optional<ImpairSpec> parse_impair(std::string_view text, std::string& why) {
  ImpairSpec spec;
  for (std::string_view rest = text; !rest.empty() || text.empty();) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view field = rest.substr(0, end);
    const size_t equals = field.find('=');
    if (equals == std::string_view::npos ||
        !parse_field(field.substr(0, equals), field.substr(equals + 1), spec)) {
      why = fmt::format(
          "'{}' is no impairment: loss=5%,dup=1%,reorder=2%,corrupt=1%,delay=30ms,"
          "jitter=5ms,rate=10mbit,seed=7 are known",
          clean(field, 40));
      return std::nullopt;
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return spec;
}

Impairment::Impairment(const ImpairSpec& spec) : spec_(spec), random_(mrt::seed_from(spec.seed)) {}

void Impairment::on_batch(mrt::Instant now, const mrt::Transmit& batch, mrt::ByteView bytes) {
  while (!bytes.empty()) {
    const size_t size = std::min(batch.segment_size, bytes.size());
    admit(now, batch, bytes.first(size));
    bytes = bytes.subspan(size);
  }
}

void Impairment::admit(mrt::Instant now, const mrt::Transmit& batch, mrt::ByteView datagram) {
  mrt::Instant sent = now;
  if (spec_.rate_bits > 0) {
    // Home routers hold about a quarter of a second; what comes beyond is lost.
    if (free_at_ > now + std::chrono::milliseconds(250)) return;
    const double seconds =
        static_cast<double>(datagram.size()) * 8 / static_cast<double>(spec_.rate_bits);
    free_at_ = std::max(free_at_, now) + mrt::Duration(static_cast<int64_t>(seconds * 1e9));
    sent = free_at_;
  }
  // The draws are made whatever came before, so that one option does not shift another's.
  const bool lost = random_.chance(spec_.loss);
  const bool doubled = random_.chance(spec_.duplicate);
  const bool late = random_.chance(spec_.reorder);
  if (lost) return;
  // Late by enough to be overtaken, also on a link without delay.
  const mrt::Duration lateness = std::max<mrt::Duration>(spec_.delay, std::chrono::milliseconds(5));
  hold(sent + draw_delay() + (late ? lateness : mrt::Duration{}), batch, datagram);
  if (doubled) hold(sent + draw_delay(), batch, datagram);
}

mrt::Duration Impairment::draw_delay() {
  const mrt::Duration low = std::max(mrt::Duration{}, spec_.delay - spec_.jitter);
  return random_.between(low, spec_.delay + spec_.jitter);
}

void Impairment::hold(mrt::Instant when, const mrt::Transmit& batch, mrt::ByteView datagram) {
  if (held_bytes_ + datagram.size() > queue_bytes_max) return;
  Held held{batch.path, batch.ecn, mrt::Bytes(datagram.begin(), datagram.end())};
  if (random_.chance(spec_.corrupt) && !held.bytes.empty()) {
    const uint64_t bit = random_.below(held.bytes.size() * 8);
    held.bytes[bit / 8] = static_cast<uint8_t>(held.bytes[bit / 8] ^ (1u << (bit % 8)));
  }
  held_bytes_ += held.bytes.size();
  held_.emplace(Order{when, count_++}, std::move(held));
}

std::optional<mrt::Transmit> Impairment::poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) {
  if (held_.empty() || held_.begin()->first.first > now) return std::nullopt;
  const Held held = std::move(held_.extract(held_.begin()).mapped());
  held_bytes_ -= held.bytes.size();
  if (held.bytes.size() > buffer.size()) return std::nullopt;
  std::copy(held.bytes.begin(), held.bytes.end(), buffer.begin());
  return mrt::Transmit{held.path, held.bytes.size(), held.bytes.size(), held.ecn};
}

mrt::Instant Impairment::next_timeout() const {
  return held_.empty() ? mrt::never : held_.begin()->first.first;
}

bool Impairment::is_consistent() const {
  size_t bytes = 0;
  for (const auto& [order, held] : held_) bytes += held.bytes.size();
  return bytes == held_bytes_ && bytes <= queue_bytes_max;
}

}  // namespace client
