// SPDX-License-Identifier: MIT
#include "mrt/uv/sockaddr.h"

#include <arpa/inet.h>

#include <cstring>

namespace mrt::uv {

Address from_in_addr(const in_addr& ip, uint16_t port) {
  uint8_t octets[4];
  std::memcpy(octets, &ip, sizeof octets);
  return Address::v4(octets[0], octets[1], octets[2], octets[3], port);
}

Address from_in6_addr(const in6_addr& ip, uint16_t port) {
  Address out;
  std::memcpy(out.ip.data(), &ip, out.ip.size());
  out.port = port;
  return out;
}

in_addr to_in_addr(const Address& address) {
  in_addr out;
  std::memcpy(&out, address.ip.data() + 12, sizeof out);
  return out;
}

in6_addr to_in6_addr(const Address& address) {
  in6_addr out;
  std::memcpy(&out, address.ip.data(), sizeof out);
  return out;
}

SocketAddress to_sockaddr(const Address& address) {
  SocketAddress out;
  if (address.is_v4()) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(address.port);
    four.sin_addr = to_in_addr(address);
    out.size = sizeof four;
    std::memcpy(&out.storage, &four, sizeof four);
  } else {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(address.port);
    six.sin6_addr = to_in6_addr(address);
    out.size = sizeof six;
    std::memcpy(&out.storage, &six, sizeof six);
  }
  return out;
}

Address from_sockaddr(const sockaddr* address) {
  // Copied, because the caller's bytes need not be aligned for the larger types.
  if (address->sa_family == AF_INET) {
    sockaddr_in four;
    std::memcpy(&four, address, sizeof four);
    return from_in_addr(four.sin_addr, ntohs(four.sin_port));
  }
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 six;
    std::memcpy(&six, address, sizeof six);
    return from_in6_addr(six.sin6_addr, ntohs(six.sin6_port));
  }
  return Address{};
}

}  // namespace mrt::uv
