// SPDX-License-Identifier: MIT
//
// Who is the supernode of which network, as long as it says so. It knows no bytes and no keys:
// what comes here was signed, and came from where it says.
//
// 1. An entry is given out until its life ends and never after.
// 2. One node has one entry in a network. An older word of its (by sequence, under one
//    transaction) changes nothing; what was taken back does not come back by a late copy.
// 3. Nothing that lives is pushed out, but by a supernode of the same network with a higher epoch.
// 4. At most entries_max are held, and entries_per_place_max of one address, those whose life has
//    ended until the next sweep included.
#pragma once

#include <map>

#include "mrt/base/allowance.h"
#include "mrt/base/time.h"
#include "stun/callers.h"
#include "stun/rendezvous_wire.h"

namespace stun {

/// How long a copy of a registration may be on its way: its cookie is then no longer good.
inline constexpr mrt::Duration cookie_life_max = std::chrono::seconds(20);

class RendezvousTable {
 public:
  // With eight told addresses an entry takes some 700 bytes: 140 MB at the very most.
  static constexpr size_t entries_max = 200'000;
  // Behind one address: the stars of a school, or of a hoster's network.
  static constexpr size_t entries_per_place_max = 256;
  // One sweep a second looks at a thirtieth of all, and so at each twice a minute.
  static constexpr size_t sweeps_for_all = 30;
  static constexpr mrt::Duration sweep_interval = std::chrono::seconds(1);

  struct Entry {
    Whereabouts where;
    uint64_t transaction = 0;
    uint64_t sequence = 0;
    mrt::Path path;  // local: where it reaches this server; remote: where it was seen
    mrt::Instant ends_at{};
    mrt::Duration life{};
    bool taken_back = false;
    // Newcomers of a star. A class that comes at once is introduced within some seconds, since
    // who looks asks again.
    mrt::Allowance introductions{20, 100};
  };

  enum class Outcome : uint8_t { taken, stale, full, crowded };
  /// `where.seen` is what others are to be told of `path`. REQUIRES: life > 0.
  Outcome put(mrt::Instant now, const LookUpId& id, Entry entry);
  /// It lives on, or ends if it leaves, if it is known from there under that transaction; else
  /// nothing.
  const Entry* keep(mrt::Instant now, const Keep& keep, const mrt::Path& path);
  /// Those that live, the highest epoch first. Good until the next call.
  std::vector<Entry*> find(mrt::Instant now, const LookUpId& id);

  /// Drops those whose life has ended from where the last sweep stopped on.
  void sweep(mrt::Instant now);

  size_t entries() const { return entries_; }
  size_t networks() const { return networks_.size(); }
  bool is_consistent() const;

 private:
  using Entries = std::vector<Entry>;

  Outcome add(mrt::Instant now, Entries& entries, Entry entry);
  Outcome replace(mrt::Instant now, Entry& known, Entry entry);
  bool has_room_at(const mrt::Path& path) const;
  void count(const mrt::Path& path);
  void discount(const mrt::Path& path);

  std::map<LookUpId, Entries> networks_;
  std::map<Place, size_t> per_place_;
  size_t entries_ = 0;
  LookUpId sweep_from_{};
  size_t sweep_size_ = 0;
};

}  // namespace stun
