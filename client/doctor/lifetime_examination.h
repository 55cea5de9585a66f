// SPDX-License-Identifier: MIT
//
// How long the NAT before this host keeps a mapping that nothing goes through.
#pragma once

#include <optional>
#include <vector>

#include "mrt/uv/udp_socket.h"
#include "stun/lifetime.h"

namespace client {

/// Asks one after the other until one can tell; by sockets beside that address. Takes up to seven
/// minutes. Nothing where a signal came, or where sockets cannot be had, and then `error` says why.
std::optional<stun::LifetimeFound> examine_lifetime(const mrt::Address& beside,
                                                    const std::vector<mrt::Address>& servers,
                                                    mrt::uv::SocketError& error);

}  // namespace client
