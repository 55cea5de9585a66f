// SPDX-License-Identifier: MIT
//
// Sockets for groups (multicast): to ask all hosts of a link, and to hear who asks. They go no
// further than the link (TTL 1), and all programs of a host hear each other, on the loopback device
// too. What is asked is not known here.
//
// 1. Who asks has a socket of its own: an answer to one that several programs have bound would go
//    to one of them.
// 2. Who hears, hears what came in by the links that it was told, and by no other.
#pragma once

#include <memory>
#include <span>

#include "mrt/uv/interfaces.h"
#include "mrt/uv/udp_socket.h"

namespace mrt::uv {

/// Bound to `own`, at a free port: what it sends to a group goes out where that address is. Nothing
/// where that cannot be.
std::unique_ptr<UdpSocket> open_asking(const LocalAddress& own);

/// Hears what is sent to the group on the devices of those of `links` that are of its family.
/// Nothing where that cannot be, or on none of them.
std::unique_ptr<UdpSocket> open_hearing(const Address& group, std::span<const LocalAddress> links);

}  // namespace mrt::uv
