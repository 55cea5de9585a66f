// SPDX-License-Identifier: MIT
//
// What the benches over real sockets on loopback share: a socket, and how they give up.
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "mrt/uv/udp_socket.h"

namespace bench {

[[noreturn]] inline void fail(std::string_view why) {
  std::fprintf(stderr, "%s: %.*s\n", program_invocation_short_name, static_cast<int>(why.size()),
               why.data());
  std::exit(1);
}

inline mrt::uv::Sockets loopback_socket() {
  mrt::uv::SocketError error;
  const mrt::Address address = mrt::Address::v4(127, 0, 0, 1, 0);
  mrt::uv::Sockets out = mrt::uv::open_sockets(std::span(&address, 1), {}, error);
  if (out.empty()) fail(error.text);
  return out;
}

}  // namespace bench
