// SPDX-License-Identifier: MIT
//
// Whom a listener lets knock: which RCONs are answered at once, which must first show with a
// cookie that they can be reached, and which have to wait. It keeps numbers only, no keys.
//
// 1. Nothing is locked out: what is refused today is admitted when tokens have come back, and a
//    caller calls again for ten seconds.
// 2. An address that somebody else uses as a false sender loses at most one round trip.
// 3. Its memory is bounded, whatever the number of callers.
//
// A try is counted when the ACON goes out, since that is when a guesser learns whether the
// guess was right; it is given back when the caller has proven that it knew.
#pragma once

#include <cstdint>
#include <map>

#include "mrt/base/address.h"
#include "mrt/base/allowance.h"
#include "mrt/base/time.h"

namespace mrt {

class Doors {
 public:
  enum class Verdict : uint8_t {
    answer,      // now
    ask_cookie,  // the caller shows first that it is where it says
    wait,        // nothing is said; it calls again
  };
  /// What a caller shows, which may be a guess.
  enum class Try : uint8_t { nothing, without_cookie, with_cookie };
  /// `crowded`: half-open connections take up much of their room.
  Verdict on_call(Instant now, const Address& from, bool has_cookie, bool guessing, bool crowded);
  /// The peer has proven that it knew; its address is known from now on.
  void on_proven(Instant now, const Address& from, Try tried);
  bool is_known(const Address& address) const { return known_.contains(place_of(address)); }

  bool is_consistent() const;

  // Addresses of which something is kept. A full table of tries costs under 1 MB; what does
  // not fit shares the bucket of all.
  static constexpr size_t tries_max = 4'096;
  static constexpr size_t known_max = 4'096;

 private:
  using Place = std::array<uint8_t, 16>;
  /// Who has an IPv6 network has all its addresses: 64 bits of it count (RFC 6177 section 2).
  static Place place_of(const Address& address);
  struct Tries {
    // A classroom behind one NAT joins at once; then a guess every second or two. A password of
    // four digits lasts an hour against one address that does nothing else.
    Allowance without_cookie{1, 64};
    Allowance with_cookie{2, 128};
    Instant last{};  // when one with a cookie was counted
  };
  bool may_guess(Instant now, const Address& from, bool has_cookie);
  Tries& tries_of(Instant now, const Address& from);

  // Answers cost about 0.2 ms each: without any proof 4 % of a core at most, with cookies
  // another 10 %. A burst of joins (a star that comes back) passes undelayed.
  Allowance unproven_{200, 256};
  Allowance proven_{500, 1'024};
  // Guesses from everywhere together. Callers without a cookie have a share that false senders
  // may use up; those who have not tried for a while have one that guessers cannot; and whoever
  // was here before is not delayed at all.
  Allowance unproven_guesses_{16, 256};
  Allowance first_guesses_{16, 256};
  Allowance guesses_{32, 1'024};
  std::map<Place, Tries> tries_;
  Instant swept_{};                 // when those who tried long ago were dropped
  Tries others_;                    // of all for which there was no room
  std::map<Place, Instant> known_;  // when it was proven last
};

}  // namespace mrt
