// SPDX-License-Identifier: MIT
#include "mrt/path.h"

#include <algorithm>
#include <array>

namespace mrt {

namespace {

// RFC 9000 section 8: "an endpoint MUST limit the amount of data it sends to the unvalidated
// address to three times the amount of data received from that address."
constexpr uint64_t amplification = 3;
// RFC 9000 section 8.2.4 recommends three probe time-outs before a validation has failed.
constexpr int challenge_attempts = 3;

// 1400: tunnels. 1452, 1472: Ethernet under IPv6, IPv4. 8952, 8972: jumbo frames. Beyond:
// loopback, up to what UDP over IPv6 (65,487) and IPv4 holds.
constexpr std::array<size_t, 10> packet_sizes = {1200, 1400,   1452,   1472,   8952,
                                                 8972, 16'384, 32'768, 65'487, 65'507};
// RFC 8899 section 5.1.2: MAX_PROBES.
constexpr int probe_failures_max = 3;
// RFC 8899 section 5.1.1: PMTU_RAISE_TIMER.
constexpr Duration raise_interval = std::chrono::seconds(600);
// Probes are at most an eighth of what was sent: idle connections never probe.
constexpr uint64_t probe_share = 8;
// Rounds of losses that hit large packets only. At 30 % random loss a large one arrives
// between them nearly always; an error costs a new search.
constexpr int black_hole_losses = 4;

}  // namespace

size_t PathValidator::allowance() const {
  if (proven_) return SIZE_MAX;
  const uint64_t total = amplification * received_;
  return static_cast<size_t>(total - std::min(total, sent_));
}

void PathValidator::on_received(const Address& from, size_t bytes) {
  if (!proven_ && from == path_.remote) received_ += bytes;
}

bool PathValidator::move_to(Instant now, const Path& path, size_t bytes, uint64_t challenge,
                            Duration timeout) {
  if (proven_) last_proven_ = path_;
  path_ = path;
  // Back at the last proven address: nothing is to be shown again.
  proven_ = last_proven_ && last_proven_->remote == path.remote;
  received_ = bytes;
  sent_ = 0;
  challenge_ = challenge;
  challenge_due_ = !proven_;
  attempts_ = 1;
  timeout_ = timeout;
  deadline_ = proven_ ? never : now + timeout;
  return !proven_;
}

std::optional<uint64_t> PathValidator::challenge_to_send() const {
  if (!challenge_due_) return std::nullopt;
  return challenge_;
}

bool PathValidator::on_response(uint64_t value) {
  if (proven_ || deadline_ == never || value != challenge_) return false;
  proven_ = true;
  challenge_due_ = false;
  deadline_ = never;
  last_proven_.reset();
  return true;
}

bool PathValidator::on_timeout(Instant now) {
  if (deadline_ > now) return false;
  if (attempts_ < challenge_attempts || !last_proven_) {
    ++attempts_;
    challenge_due_ = true;
    deadline_ = now + timeout_;
    return false;
  }
  path_ = *last_proven_;
  proven_ = true;
  challenge_due_ = false;
  deadline_ = never;
  return true;
}

std::optional<size_t> MtuProber::next_size() const {
  const auto next = std::upper_bound(packet_sizes.begin(), packet_sizes.end(), packet_bytes_);
  if (next == packet_sizes.end() || *next > bytes_max_) return std::nullopt;
  return *next;
}

std::optional<size_t> MtuProber::probe_due(Instant now, uint64_t bytes_sent) const {
  const auto size = next_size();
  if (!size || deadline_ != never || now < raise_at_) return std::nullopt;
  if ((probe_bytes_sent_ + *size) * probe_share > bytes_sent) return std::nullopt;
  return size;
}

void MtuProber::on_probe_sent(Instant now, size_t bytes, Duration timeout) {
  probe_bytes_sent_ += bytes;
  deadline_ = now + timeout;
}

bool MtuProber::on_probe_acked(size_t bytes) {
  deadline_ = never;
  failures_ = 0;
  if (bytes <= packet_bytes_ || bytes > bytes_max_) return false;
  packet_bytes_ = bytes;
  large_losses_ = 0;
  return true;
}

void MtuProber::on_timeout(Instant now) {
  if (deadline_ > now) return;
  deadline_ = never;
  if (++failures_ < probe_failures_max) return;
  failures_ = 0;
  raise_at_ = now + raise_interval;
}

bool MtuProber::on_large_lost(Instant now) {
  if (packet_bytes_ == packet_bytes_initial || ++large_losses_ < black_hole_losses) return false;
  packet_bytes_ = packet_bytes_initial;
  large_losses_ = 0;
  failures_ = 0;
  raise_at_ = now;
  return true;
}

}  // namespace mrt
