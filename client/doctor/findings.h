// SPDX-License-Identifier: MIT
//
// What `thuban doctor` says: from facts to sentences, each fault with what mends it. Pure: it
// measures nothing.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "stun/lifetime.h"
#include "stun/probe.h"
#include "stun/uv/port_mapping.h"

namespace client {

/// One thing that was looked at.
struct Finding {
  std::string check;  // "receive-buffer", a word that stays
  bool fine = true;
  std::string text;
  std::string fix{};  // a command, a setting or what to do; empty where it is fine
};

/// What the kernel granted to one socket.
struct SocketFacts {
  size_t receive_buffer_bytes = 0;
  size_t receive_buffer_wanted = 0;
  size_t send_buffer_bytes = 0;
  size_t send_buffer_wanted = 0;
  bool segments = false;
  bool coalesces = false;
};
std::vector<Finding> findings_of(const SocketFacts& facts);

/// What was found out about one family.
struct NatFacts {
  bool v4 = true;
  std::vector<stun::AddressFound> answered;
  std::vector<stun::ServerFailed> failed;
  stun::Behaviour behaviour;
};
std::vector<Finding> findings_of(const NatFacts& facts);

/// What the router said when a port of it was asked for.
struct GatewayFacts {
  mrt::Address gateway, own;
  stun::uv::PortMapState state;
};
Finding finding_of(const GatewayFacts& facts);

/// What the kernel says of its clock.
struct ClockFacts {
  bool told = false;  // else it does not say
  bool in_step = false;
};
Finding finding_of(const ClockFacts& facts);

/// Of one device of this host.
struct MulticastFacts {
  std::string interface;
  bool heard = false;  // what this host sends to a group there comes back to it
};
Finding finding_of(const MulticastFacts& facts);

/// How long a mapping of one family lives.
struct LifetimeFacts {
  bool v4 = true;
  std::optional<stun::LifetimeFound> found;  // nothing where there is no NAT
};
Finding finding_of(const LifetimeFacts& facts);

/// "ok    text" or "FAULT text", and the fix below it.
std::string to_text(const Finding& finding);
std::string to_json(const Finding& finding, int64_t ts);

}  // namespace client
