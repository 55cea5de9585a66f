// SPDX-License-Identifier: MIT
//
// Whom this node's user lets in (`A`): for a minute packets go there, which open this side's NAT
// (WIRE.md 3.5). One alone may come too early: where the NAT here gives each destination another
// port, the other side has to hear it, and its own NAT lets it in only after its first call. Values
// only.
#pragma once

#include <algorithm>
#include <deque>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/time.h"

namespace node {

/// As long as two people need who tell each other what to type.
inline constexpr mrt::Duration allowed_for = std::chrono::minutes(1);
/// A tenth of the time that `C` goes on, and far less than any NAT keeps a mapping for.
inline constexpr mrt::Duration allowed_pause = std::chrono::seconds(1);
/// More than anybody types in a minute; at most so many packets a second.
inline constexpr size_t allowed_max = 16;

class Allowed {
 public:
  /// Nothing is due for it now: whoever calls this sends the first packets. With too many the oldest
  /// is forgotten.
  void add(mrt::Instant now, const mrt::Address& address) {
    remove(address);
    if (held_.size() == allowed_max) held_.pop_front();
    held_.push_back({address, now + allowed_pause, now + allowed_for});
  }
  /// It has come.
  void remove(const mrt::Address& address) {
    std::erase_if(held_, [&](const Held& one) { return one.address == address; });
  }
  /// Where a packet goes now.
  std::vector<mrt::Address> take_due(mrt::Instant now) {
    std::erase_if(held_, [&](const Held& one) { return one.ends <= now; });
    std::vector<mrt::Address> due;
    for (Held& one : held_) {
      if (one.next > now) continue;
      one.next = now + allowed_pause;
      due.push_back(one.address);
    }
    return due;
  }
  mrt::Instant next_timeout() const {
    mrt::Instant next = mrt::never;
    for (const Held& one : held_) next = std::min(next, one.next);
    return next;
  }

 private:
  struct Held {
    mrt::Address address;
    mrt::Instant next, ends;
  };

  std::deque<Held> held_;  // the oldest first
};

}  // namespace node
