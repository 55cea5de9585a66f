// SPDX-License-Identifier: MIT
#include "stun/rendezvous_candidates.h"

#include <algorithm>

namespace stun {

bool is_plausible(const mrt::Address& address, bool near) {
  if (!address.is_unicast()) return false;
  if (address.is_loopback()) return near;
  const auto& ip = address.ip;
  if (address.is_v4()) {
    // "This network" (RFC 1122 section 3.2.1.3), link-local (RFC 3927), reserved (RFC 1112
    // section 4).
    return ip[12] != 0 && !(ip[12] == 169 && ip[13] == 254) && ip[12] < 240;
  }
  // Link-local unicast: fe80::/10 (RFC 4291 section 2.5.6).
  return !(ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
}

size_t drop_implausible(std::vector<mrt::Address>& addresses, bool near) {
  const size_t before = addresses.size();
  std::vector<mrt::Address> kept;
  for (const mrt::Address& address : addresses) {
    const bool again = std::find(kept.begin(), kept.end(), address) != kept.end();
    if (!again && is_plausible(address, near)) kept.push_back(address);
  }
  addresses = std::move(kept);
  return before - addresses.size();
}

}  // namespace stun
