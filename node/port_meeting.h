// SPDX-License-Identifier: MIT
//
// What a node keeps while it meets hosts of which nobody knows at which port they can be called
// (OVERLAY.md 4.10): the search for a port, who has asked for this node, and the sockets that such
// searches have brought. Values only; node_ports.cpp does the rest.
//
// 1. A search is for one host at a time. Where a join has begun it, it ends with the join.
// 2. A spare socket is kept for as long as a connection goes over it.
#pragma once

#include <map>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/time.h"
#include "node/ids.h"
#include "stun/port_search.h"

namespace node {

/// What answers at all has answered a call by then: three of its packets, at a round trip of half a
/// second.
inline constexpr mrt::Duration call_patience = std::chrono::seconds(1);
/// 1,024 probes at a hundred a second, a second by which the other side may begin later, and round
/// trips.
inline constexpr mrt::Duration port_search_time = std::chrono::seconds(12);
/// Whoever looks for a star asks each second for as long as it is not in: who is introduced again
/// after that has called in vain. A little less, for packets come early and late.
inline constexpr mrt::Duration introduction_patience = std::chrono::milliseconds(800);
/// A look-up takes no longer (join_time_max and the search): what comes later is another.
inline constexpr mrt::Duration introduction_life = std::chrono::seconds(15);
/// As many as are told in five seconds (RendezvousClient). Others are noted when they ask again.
inline constexpr size_t introduced_max = 320;
/// A connection over a spare socket is made within that, or never: as long as a join may take. So
/// often it is looked whether one is left.
inline constexpr mrt::Duration spare_check_interval = std::chrono::seconds(10);
/// Beyond that no port is opened: a socket costs a descriptor.
inline constexpr size_t spares_kept_max = 64;

struct PortMeeting {
  struct Spare {
    mrt::Address local;
    bool is_new = true;  // since the last look
  };

  stun::PortSearch search;
  bool for_join = false;  // what runs
  NodeId member;          // whom it is for, where the supernode has introduced the two
  bool opened = false;    // the driver has spares that wait
  std::map<mrt::Address, mrt::Instant> introduced;  // since when
  std::vector<Spare> spares;                        // that have joined the other sockets
  mrt::Instant spare_check = mrt::never;

  mrt::Instant next_timeout() const { return std::min(search.next_timeout(), spare_check); }
  bool seeks_member(const NodeId& node) const {
    const bool runs = search.next_timeout() != mrt::never;
    return runs && member == node;
  }
  bool is_consistent() const {
    return search.is_consistent() && introduced.size() <= introduced_max &&
           spares.size() <= spares_kept_max && (spares.empty() || spare_check != mrt::never);
  }
};

}  // namespace node
