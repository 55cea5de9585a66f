// SPDX-License-Identifier: MIT
//
// What one place may have of a server, a place being an IPv4 address or an IPv6 network: a limit
// for each, so that one asker does not use up what others need.
//
// 1. A limit delays and never locks out, since many may share an address.
// 2. At most `places_max` are told apart; those beyond share one allowance until others are full.
#pragma once

#include <array>
#include <map>

#include "mrt/base/address.h"
#include "mrt/base/allowance.h"

namespace stun {

/// Who has an IPv6 network has all its addresses: 64 bits of it count (RFC 6177 section 2).
using Place = std::array<uint8_t, 16>;
Place place_of(const mrt::Address& address);

class PlaceAllowances {
 public:
  /// Each place gets `burst` at once, then `per_second`.
  PlaceAllowances(int64_t per_second, int64_t burst, size_t places_max)
      : fresh_(per_second, burst), others_(fresh_), places_max_(places_max) {}

  /// Good until the next call.
  mrt::Allowance& of(mrt::Instant now, const mrt::Address& address);
  bool is_consistent() const { return places_.size() <= places_max_; }

 private:
  mrt::Allowance fresh_;
  mrt::Allowance others_;
  size_t places_max_;
  std::map<Place, mrt::Allowance> places_;
  mrt::Instant swept_{};
};

}  // namespace stun
