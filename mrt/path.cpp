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

// 1232: what IPv6 promises. 1400: tunnels. 1452, 1472: Ethernet under IPv6, IPv4. 8952, 8972: jumbo
// frames. Beyond: loopback, 65,487 being what UDP over IPv6 holds, and 65,507 over IPv4; a fifth, a
// quarter, a third, a half of it fill the kernel's batches, which end there.
constexpr std::array<size_t, 12> packet_sizes = {1232,   1400,   1452,   1472,   8952,   8972,
                                                 13'097, 16'371, 21'829, 32'743, 65'487, 65'507};
// Sizes are not told apart further: it is one part in a hundred of a packet.
constexpr size_t size_step = 16;
// RFC 8899 section 5.1.2: MAX_PROBES.
constexpr int probe_failures_min = 3;
// RFC 8899 section 5.1.1: PMTU_RAISE_TIMER.
constexpr Duration raise_interval = std::chrono::seconds(600);
// Probes are at most an eighth of what was sent: idle connections never probe.
constexpr uint64_t probe_share = 8;
// By chance alone a size is given up one time in a thousand, which costs until the next search;
// and a path is taken for a black hole one time in a million runs of losses, which costs a search.
constexpr double probe_chance = 1e-3;
constexpr double black_hole_chance = 1e-6;
// A black hole is seen in two rounds at least: one may be an outage that is over.
constexpr int black_hole_rounds = 2;
constexpr int black_hole_losses_min = 4;

// So many losses in a row are beyond chance where that share is lost anyway. What is lost in the
// hole itself raises the share too: it counts up to a half.
int losses_beyond(double chance, double loss) {
  int count = 0;
  for (double all_lost = 1; all_lost > chance; all_lost *= std::min(loss, 0.5)) ++count;
  return count;
}

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
  if (proven_) last_proven_ = std::make_unique<Path>(path_);
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
  if (next != packet_sizes.end() && *next < failed_ && *next <= bytes_max_) return *next;
  // Nothing has failed, or it is near.
  if (failed_ > bytes_max_ || failed_ - packet_bytes_ <= size_step) return std::nullopt;
  // Most paths carry one of the known sizes and nothing more: one probe shows that.
  const bool known = packet_bytes_ == packet_bytes_initial ||
                     std::binary_search(packet_sizes.begin(), packet_sizes.end(), packet_bytes_);
  return packet_bytes_ + (known ? size_step : (failed_ - packet_bytes_) / 2);
}

std::optional<size_t> MtuProber::probe_due(Instant now, uint64_t bytes_sent) {
  if (deadline_ != never) return std::nullopt;
  if (raise_at_ <= now) {
    raise_at_ = never;
    failed_ = SIZE_MAX;
  }
  const auto size = next_size();
  if (!size || (probe_bytes_sent_ + *size) * probe_share > bytes_sent) return std::nullopt;
  return size;
}

void MtuProber::on_probe_sent(Instant now, size_t bytes, Duration timeout) {
  probe_bytes_ = bytes;
  probe_bytes_sent_ += bytes;
  deadline_ = now + timeout;
}

bool MtuProber::on_probe_acked(size_t bytes) {
  deadline_ = never;
  failures_ = 0;
  if (bytes <= packet_bytes_ || bytes > bytes_max_) return false;
  packet_bytes_ = bytes;
  if (bytes >= failed_) failed_ = SIZE_MAX;  // it had only been lost
  on_large_acked();
  return true;
}

void MtuProber::on_timeout(Instant now, double loss) {
  if (deadline_ > now) return;
  deadline_ = never;
  // The acknowledgement may be lost as well.
  const double unanswered = loss + (1 - loss) * loss;
  if (++failures_ < std::max(probe_failures_min, losses_beyond(probe_chance, unanswered))) return;
  failures_ = 0;
  failed_ = std::min(failed_, probe_bytes_);
  if (!next_size()) raise_at_ = now + raise_interval;
}

bool MtuProber::on_large_lost(size_t packets, double loss) {
  if (packet_bytes_ == packet_bytes_initial) return false;
  ++rounds_lost_;
  packets_lost_ += static_cast<int>(packets);
  if (rounds_lost_ < black_hole_rounds) return false;
  if (packets_lost_ < std::max(black_hole_losses_min, losses_beyond(black_hole_chance, loss)))
    return false;
  // What lies between is searched anew, at once.
  *this = MtuProber(bytes_max_);
  return true;
}

}  // namespace mrt
