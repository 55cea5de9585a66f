// SPDX-License-Identifier: MIT
#include "mrt/uv/multicast.h"

#include <net/if.h>

#include <algorithm>

#include "mrt/uv/sockaddr.h"

namespace mrt::uv {

namespace {

// Questions and answers of some bytes, some hundred at once.
constexpr SocketConfig small{
    .receive_buffer_bytes = 64 * 1024, .send_buffer_bytes = 64 * 1024, .segmentation = false};

template <class T>
bool set_option(const UdpSocket& socket, int level, int name, const T& value) {
  return setsockopt(socket.fd(), level, name, &value, sizeof value) == 0;
}

bool hear_on(const UdpSocket& socket, const Address& group, const LocalAddress& link) {
  const unsigned device = if_nametoindex(link.interface.c_str());
  if (device == 0) return false;
  if (group.is_v4()) {
    ip_mreqn wanted{};
    wanted.imr_multiaddr = to_in_addr(group);
    wanted.imr_ifindex = static_cast<int>(device);
    return set_option(socket, IPPROTO_IP, IP_ADD_MEMBERSHIP, wanted);
  }
  ipv6_mreq wanted{};
  wanted.ipv6mr_multiaddr = to_in6_addr(group);
  wanted.ipv6mr_interface = device;
  return set_option(socket, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, wanted);
}

}  // namespace

std::unique_ptr<UdpSocket> open_asking(const LocalAddress& own) {
  SocketError error;
  auto socket = UdpSocket::open(own.address, small, error);
  if (!socket) return nullptr;
  const int ttl = 1;
  if (own.address.is_v4()) {
    // By its source address the kernel knows the device.
    const bool set = set_option(*socket, IPPROTO_IP, IP_MULTICAST_TTL, ttl);
    return set ? std::move(socket) : nullptr;
  }
  const auto device = static_cast<int>(if_nametoindex(own.interface.c_str()));
  const bool set = device != 0 && set_option(*socket, IPPROTO_IPV6, IPV6_MULTICAST_IF, device) &&
                   set_option(*socket, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, ttl);
  return set ? std::move(socket) : nullptr;
}

std::unique_ptr<UdpSocket> open_hearing(const Address& group, std::span<const LocalAddress> links) {
  SocketError error;
  SocketConfig config = small;
  config.shared = true;
  Address bind = group;
  // To a group of one link IPv6 binds only with the device's name.
  if (!bind.is_v4()) bind.ip = {};
  auto socket = UdpSocket::open(bind, config, error);
  if (!socket) return nullptr;
  // Else what another program has joined is heard here too.
  const bool alone = group.is_v4() ? set_option(*socket, IPPROTO_IP, IP_MULTICAST_ALL, 0)
                                   : set_option(*socket, IPPROTO_IPV6, IPV6_MULTICAST_ALL, 0);
  if (!alone) return nullptr;
  const auto heard = std::count_if(links.begin(), links.end(), [&](const LocalAddress& link) {
    return link.address.is_v4() == group.is_v4() && hear_on(*socket, group, link);
  });
  return heard > 0 ? std::move(socket) : nullptr;
}

}  // namespace mrt::uv
