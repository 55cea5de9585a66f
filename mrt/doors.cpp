// SPDX-License-Identifier: MIT
#include "mrt/doors.h"

#include <algorithm>

namespace mrt {

// Looking through a full table takes a tenth of a millisecond: not at every knock.
static constexpr Duration sweep_interval = std::chrono::seconds(1);
// As long as a caller goes on calling.
static constexpr Duration first_guess_pause = std::chrono::seconds(10);

Doors::Place Doors::place_of(const Address& address) {
  Place place = address.ip;
  if (!address.is_v4()) std::fill(place.begin() + 8, place.end(), uint8_t{0});
  return place;
}

Doors::Tries& Doors::tries_of(Instant now, const Address& from) {
  const Place place = place_of(from);
  if (const auto it = tries_.find(place); it != tries_.end()) return it->second;
  if (tries_.size() >= tries_max && now - swept_ >= sweep_interval) {
    swept_ = now;
    std::erase_if(tries_, [now](const auto& entry) {
      return entry.second.without_cookie.is_full(now) && entry.second.with_cookie.is_full(now);
    });
  }
  if (tries_.size() >= tries_max) return others_;
  return tries_[place];
}

bool Doors::may_guess(Instant now, const Address& from, bool has_cookie) {
  Tries& tries = tries_of(now, from);
  Allowance& own = has_cookie ? tries.with_cookie : tries.without_cookie;
  if (own.is_spent(now)) return false;
  if (!is_known(from)) {
    const bool first = has_cookie && now - tries.last >= first_guess_pause;
    const bool reserve = first && guesses_.is_spent(now);
    Allowance& all = !has_cookie ? unproven_guesses_ : reserve ? first_guesses_ : guesses_;
    if (all.is_spent(now)) return false;
    all.spend(now);
  }
  if (has_cookie) tries.last = now;
  own.spend(now);
  return true;
}

Doors::Verdict Doors::on_call(Instant now, const Address& from, bool has_cookie, bool guessing,
                              bool crowded) {
  const Verdict otherwise = has_cookie ? Verdict::wait : Verdict::ask_cookie;
  Allowance& answers = has_cookie ? proven_ : unproven_;
  if (answers.is_spent(now) || (crowded && !has_cookie)) return otherwise;
  if (guessing && !may_guess(now, from, has_cookie)) return otherwise;
  answers.spend(now);
  return Verdict::answer;
}

void Doors::on_proven(Instant now, const Address& from, Try tried) {
  if (tried != Try::nothing) {
    Tries& tries = tries_of(now, from);
    const bool had_cookie = tried == Try::with_cookie;
    (had_cookie ? tries.with_cookie : tries.without_cookie).give_back();
    if (!is_known(from)) (had_cookie ? guesses_ : unproven_guesses_).give_back();
  }
  if (known_.size() >= known_max && !is_known(from)) {
    const auto oldest =
        std::min_element(known_.begin(), known_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    known_.erase(oldest);
  }
  known_[place_of(from)] = now;
}

bool Doors::is_consistent() const {
  return tries_.size() <= tries_max && known_.size() <= known_max;
}

}  // namespace mrt
