// SPDX-License-Identifier: MIT
#include "mrt/uv/interfaces.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <cerrno>
#include <tuple>

#include "mrt/uv/sockaddr.h"

namespace mrt::uv {

/// fe80::/10, RFC 4291 section 2.5.6.
static bool is_v6_link_local(const Address& address) {
  return !address.is_v4() && address.ip[0] == 0xfe && (address.ip[1] & 0xc0) == 0x80;
}

/// The ones that a netmask begins with.
static unsigned prefix_bits(const uv_interface_address_t& one) {
  const bool v4 = one.address.address4.sin_family == AF_INET;
  const auto* bytes = v4 ? reinterpret_cast<const uint8_t*>(&one.netmask.netmask4.sin_addr)
                         : reinterpret_cast<const uint8_t*>(&one.netmask.netmask6.sin6_addr);
  unsigned bits = 0;
  while (bits < (v4 ? 32u : 128u) && (bytes[bits / 8] & (0x80u >> (bits % 8))) != 0) ++bits;
  return bits;
}

std::vector<LocalAddress> local_addresses() {
  std::vector<LocalAddress> out;
  uv_interface_address_t* list = nullptr;
  int count = 0;
  if (uv_interface_addresses(&list, &count) != 0) return out;
  for (int i = 0; i < count; ++i) {
    sockaddr_storage storage{};
    static_assert(sizeof storage >= sizeof list[i].address);
    std::copy_n(reinterpret_cast<const char*>(&list[i].address), sizeof list[i].address,
                reinterpret_cast<char*>(&storage));
    Address address = from_sockaddr(reinterpret_cast<const sockaddr*>(&storage));
    address.port = 0;
    if (address.is_unspecified() || is_v6_link_local(address)) continue;
    out.push_back({address, list[i].name, list[i].is_internal != 0, prefix_bits(list[i])});
  }
  uv_free_interface_addresses(list, count);
  std::sort(out.begin(), out.end(), [](const LocalAddress& a, const LocalAddress& b) {
    return std::tie(a.address, a.interface) < std::tie(b.address, b.interface);
  });
  return out;
}

int open_address_changes() {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
  sockaddr_nl groups{};
  groups.nl_family = AF_NETLINK;
  groups.nl_groups = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE;
  if (fd < 0 || bind(fd, reinterpret_cast<const sockaddr*>(&groups), sizeof groups) == 0) return fd;
  close(fd);
  return -1;
}

void take_address_changes(int fd) {
  char ignored[4096];
  // Also where so many came that some were lost (ENOBUFS).
  while (recv(fd, ignored, sizeof ignored, 0) > 0 || errno == ENOBUFS) errno = 0;
}

}  // namespace mrt::uv
