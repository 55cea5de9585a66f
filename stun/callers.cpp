// SPDX-License-Identifier: MIT
#include "stun/callers.h"

namespace stun {

// Looking through a full table takes milliseconds: not at every call.
static constexpr mrt::Duration sweep_interval = std::chrono::seconds(1);

Callers::Caller& Callers::caller_of(mrt::Instant now, const mrt::Address& from) {
  const Place place = place_of(from);
  if (const auto it = callers_.find(place); it != callers_.end()) return it->second;
  if (callers_.size() >= callers_max && now - swept_ >= sweep_interval) {
    swept_ = now;
    std::erase_if(callers_, [now](const auto& entry) {
      return entry.second.look_ups.is_full(now) && entry.second.signatures.is_full(now);
    });
  }
  if (callers_.size() >= callers_max) return others_;
  return callers_[place];
}

bool Callers::may_look_up(mrt::Instant now, const mrt::Address& from) {
  mrt::Allowance& own = caller_of(now, from).look_ups;
  if (own.is_spent(now)) return false;
  own.spend(now);
  return true;
}

bool Callers::may_sign(mrt::Instant now, const mrt::Address& from) {
  mrt::Allowance& own = caller_of(now, from).signatures;
  if (own.is_spent(now) || all_signatures_.is_spent(now)) return false;
  own.spend(now);
  all_signatures_.spend(now);
  return true;
}

}  // namespace stun
