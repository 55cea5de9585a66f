// SPDX-License-Identifier: MIT
//
// Strong identifiers: two kinds of number cannot be mixed up, and ordered maps keyed by
// them iterate in the same order in every run.
#pragma once

#include <compare>
#include <cstdint>

namespace mrt {

template <class Tag, class Rep = uint64_t>
struct Id {
  Rep value{};
  constexpr auto operator<=>(const Id&) const = default;
};

/// One connection of one endpoint. Local, never reused while the endpoint lives.
using ConnectionId = Id<struct ConnectionIdTag>;
/// A stream within a connection (WIRE.md 5.1): the low two bits say who opened it and its kind.
using StreamId = Id<struct StreamIdTag>;
/// A packet within one direction of a connection. Starts at 0, never reused.
using PacketNumber = Id<struct PacketNumberTag>;

}  // namespace mrt
