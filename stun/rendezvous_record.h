// SPDX-License-Identifier: MIT
//
// What rendezvous servers that share one table write down for each other, and its bytes (WIRE.md
// 9.9): registrations as they were signed, and introductions for who is registered at another
// server. Values only.
//
// 1. Each has one spelling, and is bounded on reading and on writing.
#pragma once

#include <string>

#include "mrt/base/time.h"
#include "stun/rendezvous_wire.h"

namespace stun {

/// One run of a server.
using InstanceId = std::array<uint8_t, 16>;

/// A registration that `home` took.
struct RendezvousRecord {
  InstanceId home{};
  mrt::Address seen;          // where home saw it
  uint16_t life_ms = 0;       // what is left of it; 0: it was taken back
  Registration registration;  // with the cookie that home gave, which the signature covers
  bool operator==(const RendezvousRecord&) const = default;
};
/// With told addresses of IPv6 alone.
inline constexpr size_t record_bytes_max = 384;

/// To a supernode that is registered at another server.
struct FarIntroduction {
  LookUpId id{};
  NodeTag node{};
  Introduction introduction;
  bool operator==(const FarIntroduction&) const = default;
};

mrt::Bytes write_record(const RendezvousRecord& record);
std::optional<RendezvousRecord> parse_record(mrt::ByteView bytes);
mrt::Bytes write_far_introduction(const FarIntroduction& far);
std::optional<FarIntroduction> parse_far_introduction(mrt::ByteView bytes);

}  // namespace stun
