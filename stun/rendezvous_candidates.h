// SPDX-License-Identifier: MIT
//
// Which addresses that somebody told may be believed enough to send a few packets there. A list
// from afar is hostile: it may name a victim, or this very host.
//
// 1. What is refused here is never stored, passed on or sent to.
#pragma once

#include <vector>

#include "mrt/base/address.h"

namespace stun {

/// Something of which one datagram may be sent to: neither unspecified, multicast, broadcast,
/// reserved nor link-local, which means nothing without an interface's name. Loopback only where
/// who tells it is on this host (`near`).
bool is_plausible(const mrt::Address& address, bool near);

/// Drops what is not plausible, and what is named twice. How many went.
size_t drop_implausible(std::vector<mrt::Address>& addresses, bool near);

}  // namespace stun
