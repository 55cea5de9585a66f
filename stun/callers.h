// SPDX-License-Identifier: MIT
//
// What one address may ask of a server: so many look-ups, so many signatures to be checked. It
// knows nothing of what is asked for.
//
// 1. Only addresses that have shown that they get what is sent to them come here: a false sender
//    uses up nobody's share.
// 2. A limit delays and never locks out, since many may share an address.
// 3. At most callers_max are told apart; those beyond share one allowance.
#pragma once

#include <map>

#include "stun/place.h"

namespace stun {

class Callers {
 public:
  // Under 10 MB. Those who have asked nothing for some seconds are forgotten.
  static constexpr size_t callers_max = 65'536;

  bool may_look_up(mrt::Instant now, const mrt::Address& from);
  bool may_sign(mrt::Instant now, const mrt::Address& from);

  size_t size() const { return callers_.size(); }
  bool is_consistent() const { return callers_.size() <= callers_max; }

 private:
  struct Caller {
    // A lecture hall behind one NAT: four hundred join at once, each asking once a second.
    mrt::Allowance look_ups{100, 400};
    // It also hosts some stars. Each registers when it begins and when a router forgets it.
    mrt::Allowance signatures{4, 64};
  };
  Caller& caller_of(mrt::Instant now, const mrt::Address& from);

  // A look-up costs what a refusal costs: of all together they have no limit. Checking a signature
  // takes 0.1 ms: a fifth of a core. After a restart of the server 100,000 networks register anew
  // within a minute.
  mrt::Allowance all_signatures_{2'000, 4'000};
  std::map<Place, Caller> callers_;
  Caller others_;
  mrt::Instant swept_{};
};

}  // namespace stun
