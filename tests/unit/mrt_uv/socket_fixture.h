// SPDX-License-Identifier: MIT
//
// What the tests of sockets and drivers share: loopback sockets, batches of known bytes and
// waiting that is bounded.
#pragma once

#include <doctest/doctest.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <vector>

#include "mrt/uv/interfaces.h"
#include "mrt/uv/udp_socket.h"

namespace fixture {

inline const mrt::Address any_v4 = mrt::Address::v4(0, 0, 0, 0, 0);
inline const mrt::Address loopback_v4 = mrt::Address::v4(127, 0, 0, 1, 0);
inline const mrt::Address loopback_v6 = *mrt::Address::parse("[::1]:0");

/// Long enough for a machine that is busy with other tests; nothing waits it out.
inline constexpr int patience_ms = 60'000;

/// Where the host has IPv6 at all (containers may not).
inline bool has_v6() {
  const auto all = mrt::uv::local_addresses();
  const bool found = std::any_of(all.begin(), all.end(), [](const mrt::uv::LocalAddress& one) {
    return one.address == loopback_v6;
  });
  if (!found) MESSAGE("no IPv6 on this host: its half of the test is left out");
  return found;
}

inline std::vector<mrt::Address> loopbacks() {
  if (has_v6()) return {loopback_v4, loopback_v6};
  return {loopback_v4};
}

inline std::unique_ptr<mrt::uv::UdpSocket> open(const mrt::Address& bind,
                                                const mrt::uv::SocketConfig& config = {}) {
  mrt::uv::SocketError error;
  auto socket = mrt::uv::UdpSocket::open(bind, config, error);
  REQUIRE_MESSAGE(socket != nullptr, error.text);
  return socket;
}

/// Bytes that differ from their neighbours, so that a swap or a cut shows.
inline mrt::Bytes pattern(size_t size, uint32_t salt = 0) {
  mrt::Bytes out(size);
  uint32_t state = 0x9e3779b9u + salt;
  for (auto& byte : out) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return out;
}

/// A datagram run that owns its bytes.
struct Arrival {
  mrt::Path path;
  mrt::Ecn ecn;
  size_t segment_size;
  mrt::Bytes bytes;
};

/// Receives until `wanted` bytes came, or the patience ends.
inline std::vector<Arrival> receive(mrt::uv::UdpSocket& socket, size_t wanted) {
  static mrt::uv::ReceiveBuffer buffer;
  std::vector<Arrival> out;
  size_t got = 0;
  while (got < wanted) {
    pollfd ready{socket.fd(), POLLIN, 0};
    if (poll(&ready, 1, patience_ms) != 1) break;
    for (const auto& run : socket.receive(buffer)) {
      out.push_back(
          {run.path, run.ecn, run.segment_size, mrt::Bytes(run.bytes.begin(), run.bytes.end())});
      got += run.bytes.size();
    }
  }
  return out;
}

/// The arrivals cut into datagrams.
inline std::vector<mrt::Bytes> datagrams(const std::vector<Arrival>& arrivals) {
  std::vector<mrt::Bytes> out;
  for (const auto& run : arrivals) {
    for (size_t at = 0; at < run.bytes.size(); at += run.segment_size) {
      const auto begin = run.bytes.begin() + static_cast<std::ptrdiff_t>(at);
      const size_t size = std::min(run.segment_size, run.bytes.size() - at);
      out.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(size));
    }
  }
  return out;
}

inline std::vector<mrt::Bytes> datagrams(const mrt::Bytes& bytes, size_t segment_size) {
  return datagrams({Arrival{{}, {}, segment_size, bytes}});
}

inline mrt::Transmit batch_to(const mrt::Path& path, size_t size, size_t segment_size) {
  return {path, size, segment_size, mrt::Ecn::not_ect};
}

}  // namespace fixture
