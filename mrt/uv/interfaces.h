// SPDX-License-Identifier: MIT
//
// The addresses that this host has right now, as values.
#pragma once

#include <string>
#include <vector>

#include "mrt/base/address.h"

namespace mrt::uv {

struct LocalAddress {
  Address address;  // port 0
  std::string interface;
  bool loopback = false;
  unsigned prefix_bits = 0;  // of its network; of an IPv4 address at most 32
  bool operator==(const LocalAddress&) const = default;
};

/// Sorted by address, so that two calls on an unchanged host are equal. Without IPv6
/// link-local addresses (fe80::/10): they mean nothing without an interface's name.
/// Empty where the system does not tell.
std::vector<LocalAddress> local_addresses();

/// A descriptor that can be read when that, or a route over IPv4, may have changed (Linux:
/// rtnetlink); -1 where there is none. What it says is not looked at: take_address_changes()
/// empties it.
int open_address_changes();
void take_address_changes(int fd);

}  // namespace mrt::uv
