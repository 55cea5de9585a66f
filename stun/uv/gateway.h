// SPDX-License-Identifier: MIT
//
// The router of this host: where what goes beyond the LAN is sent.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mrt/base/address.h"
#include "mrt/uv/interfaces.h"

namespace stun::uv {

struct Gateway {
  mrt::Address address;  // port 0
  mrt::Address own;      // this host's on that link, port 0
  bool operator==(const Gateway&) const = default;
};

/// Nothing where there is no default route over IPv4, or the system does not tell.
std::optional<Gateway> default_gateway();

/// The device and address of the default route with the lowest metric, in what Linux has at
/// /proc/net/route.
struct Route {
  std::string device;
  mrt::Address gateway;
};
std::optional<Route> parse_default_route(std::string_view text);

}  // namespace stun::uv
