// SPDX-License-Identifier: MIT
//
// Between mrt::Address and what the kernel's socket calls take and give.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include "mrt/base/address.h"

namespace mrt::uv {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
};

/// sockaddr_in for an IPv4 address, else sockaddr_in6 without a scope.
SocketAddress to_sockaddr(const Address& address);
/// An unspecified address where the family is neither AF_INET nor AF_INET6.
Address from_sockaddr(const sockaddr* address);

Address from_in_addr(const in_addr& ip, uint16_t port);
Address from_in6_addr(const in6_addr& ip, uint16_t port);
in_addr to_in_addr(const Address& address);
in6_addr to_in6_addr(const Address& address);

}  // namespace mrt::uv
