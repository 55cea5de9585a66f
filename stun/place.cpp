// SPDX-License-Identifier: MIT
#include "stun/place.h"

#include <algorithm>

namespace stun {

/// Looking through a full table takes a tenth of a millisecond and more: not for each request.
static constexpr mrt::Duration sweep_interval = std::chrono::seconds(1);

Place place_of(const mrt::Address& address) {
  Place place = address.ip;
  if (!address.is_v4()) std::fill(place.begin() + 8, place.end(), uint8_t{0});
  return place;
}

mrt::Allowance& PlaceAllowances::of(mrt::Instant now, const mrt::Address& address) {
  const Place place = place_of(address);
  if (const auto it = places_.find(place); it != places_.end()) return it->second;
  if (places_.size() >= places_max_ && now - swept_ >= sweep_interval) {
    swept_ = now;
    std::erase_if(places_, [now](const auto& entry) { return entry.second.is_full(now); });
  }
  if (places_.size() >= places_max_) return others_;
  return places_.try_emplace(place, fresh_).first->second;
}

}  // namespace stun
