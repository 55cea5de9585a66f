// SPDX-License-Identifier: MIT
//
// Who is the supernode of which network, as long as it says so. It knows no bytes and no keys:
// what comes here was signed, and came from where it says.
//
// 1. An entry is given out until its life ends and never after.
// 2. One node has one entry of each address family in a network: it says its word twice to a
//    server that has both. An older word of its (by sequence, under one transaction) changes
//    nothing; what was taken back does not come back by a late copy.
// 3. Nothing that lives is pushed out, but by a supernode of the same network with a higher epoch.
// 4. At most entries_max are held, and entries_per_place_max of one address, those whose life has
//    ended until the next sweep included.
// 5. A foreign entry, one that another server took, is of the same use to who looks. It takes no
//    room from those that register here, and replaces what lives only if its node has signed
//    something newer, or was not heard here for half a life.
#pragma once

#include <map>
#include <memory>

#include "mrt/base/allowance.h"
#include "mrt/base/time.h"
#include "stun/callers.h"
#include "stun/rendezvous_record.h"
#include "stun/rendezvous_wire.h"

namespace stun {

/// How long a copy of a registration may be on its way: its cookie is then no longer good.
inline constexpr mrt::Duration cookie_life_max = std::chrono::seconds(20);
/// A supernode that dies is still given out for so long. Three Keeps at the pace of a NAT that
/// forgets after 30 s fit in.
inline constexpr mrt::Duration registration_life_max = std::chrono::seconds(60);

class RendezvousTable {
 public:
  // With eight told addresses an entry takes some 700 bytes: 140 MB at the very most.
  static constexpr size_t entries_max = 200'000;
  // Whoever writes where servers share their tables cannot take the rest.
  static constexpr size_t foreign_max = 150'000;
  // Behind one address: the stars of a school, or of a hoster's network.
  static constexpr size_t entries_per_place_max = 256;
  // One sweep a second looks at a thirtieth of all, and so at each twice a minute.
  static constexpr size_t sweeps_for_all = 30;
  static constexpr mrt::Duration sweep_interval = std::chrono::seconds(1);

  /// What servers that share a table keep beside it.
  struct Shared {
    InstanceId home{};       // the server that took it
    mrt::Bytes datagram;     // the registration as it was signed
    mrt::Instant told_at{};  // to the others
    bool waits = false;      // to be told
  };
  struct Entry {
    Whereabouts where;
    uint64_t transaction = 0;
    uint64_t sequence = 0;
    mrt::Path path;  // local: where it reaches this server; remote: where it was seen
    bool taken_back = false;
    bool foreign = false;  // path.local is nothing: it does not reach this server
    mrt::Instant ends_at{};
    mrt::Duration life{};
    std::shared_ptr<Shared> shared;  // nothing where nothing is shared
    // Newcomers of a star. A class that comes at once is introduced within some seconds, since
    // who looks asks again.
    mrt::Allowance introductions{20, 100};

    bool lives(mrt::Instant now) const { return !taken_back && now < ends_at; }
  };

  /// As `registration` says it, seen at `path`.
  static Entry entry_from(Registration registration, const mrt::Path& path);

  enum class Outcome : uint8_t { taken, stale, full, crowded };
  /// `where.seen` is what others are to be told of `path`; a foreign one says itself when it ends.
  /// REQUIRES: life > 0; of a foreign one `shared`.
  Outcome put(mrt::Instant now, const LookUpId& id, Entry entry);
  /// It lives on, or ends if it leaves, if it is known from there under that transaction; else
  /// nothing, and for a foreign one: a Keep shows neither a cookie nor a signature.
  Entry* keep(mrt::Instant now, const Keep& keep, const mrt::Path& path);
  /// Of the family of where it was seen. Whether it lives or not; nothing where it is not known.
  Entry* entry_of(const LookUpId& id, const NodeTag& node, bool is_v4);
  /// Those that live, the highest epoch first. Good until the next call.
  std::vector<Entry*> find(mrt::Instant now, const LookUpId& id);

  /// Drops those whose life has ended from where the last sweep stopped on.
  void sweep(mrt::Instant now);

  /// The networks one after the other, in the order of their ids: `each(id, entry)` for all entries
  /// of up to `count` from `from` on. Where to go on; nothing at the end.
  template <class F>
  std::optional<LookUpId> walk(const LookUpId& from, size_t count, F each) {
    auto network = networks_.lower_bound(from);
    for (; count > 0 && network != networks_.end(); --count, ++network) {
      for (Entry& entry : network->second) each(network->first, entry);
    }
    if (network == networks_.end()) return std::nullopt;
    return network->first;
  }

  size_t entries() const { return entries_; }
  size_t foreign() const { return foreign_; }
  size_t networks() const { return networks_.size(); }
  bool is_consistent() const;

 private:
  using Entries = std::vector<Entry>;

  Outcome add(mrt::Instant now, Entries& entries, Entry entry);
  Outcome replace(mrt::Instant now, Entry& known, Entry entry);
  bool has_room_for(const Entry& entry) const;
  void count(const Entry& entry);
  void discount(const Entry& entry);

  std::map<LookUpId, Entries> networks_;
  std::map<Place, size_t> per_place_;  // none foreign
  size_t entries_ = 0;
  size_t foreign_ = 0;
  LookUpId sweep_from_{};
  size_t sweep_size_ = 0;
};

}  // namespace stun
