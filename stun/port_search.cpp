// SPDX-License-Identifier: MIT
#include "stun/port_search.h"

#include <algorithm>
#include <numeric>

namespace stun {

using mrt::Address;
using mrt::Instant;

/// RFC 4787 section 4.2.1: a NAT maps ports of 1024 to 65535 to such ports.
static constexpr uint32_t first_port = 1024;
static constexpr uint32_t ports = 65'536 - first_port;

bool PortSearch::begin(Instant now, Half half, const Address& seen, mrt::Random& random) {
  std::erase_if(begun_, [now](const auto& one) { return one.second + search_pause <= now; });
  const Address host{seen.ip, half == Half::opens ? seen.port : uint16_t{0}};
  const bool sound = seen.is_unicast() && !seen.is_loopback();
  if (search_ || !sound || begun_.contains(host) || begun_.size() >= searches_max) return false;
  begun_.emplace(host, now);
  search_ = Search{half, seen, now + search_time_max};
  if (half == Half::tries) {
    search_->at = static_cast<uint32_t>(random.below(ports));
    do {
      search_->step = 1 + static_cast<uint32_t>(random.below(ports - 1));
    } while (std::gcd(search_->step, ports) != 1);
  }
  next_ = std::max(next_, now + probe_interval);
  return true;
}

bool PortSearch::has_more() const {
  return search_->sent < (search_->half == Half::tries ? probes_max : spares_max);
}

std::optional<Address> PortSearch::poll(Instant now) {
  if (search_ && search_->ends <= now) search_.reset();
  if (!search_ || !has_more() || next_ > now) return std::nullopt;
  // What was not sent in time is not made up for.
  next_ = std::max(next_, now - probe_interval / 2) + probe_interval;
  ++search_->sent;
  Address out = search_->seen;
  if (search_->half == Half::tries) {
    out.port = static_cast<uint16_t>(first_port + search_->at);
    search_->at = (search_->at + search_->step) % ports;
    if (!has_more()) search_.reset();
  }
  return out;
}

Instant PortSearch::next_timeout() const {
  if (!search_) return mrt::never;
  return has_more() ? std::min(next_, search_->ends) : search_->ends;
}

}  // namespace stun
