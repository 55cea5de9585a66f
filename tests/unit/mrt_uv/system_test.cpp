// SPDX-License-Identifier: MIT
//
// Clock, entropy, interfaces and socket addresses: what the drivers ask the system.
#include <doctest/doctest.h>

#include <algorithm>

#include "mrt/uv/clock.h"
#include "mrt/uv/entropy.h"
#include "mrt/uv/interfaces.h"
#include "mrt/uv/sockaddr.h"

using mrt::Address;
using namespace mrt::uv;

TEST_CASE("the clock never runs backwards") {
  mrt::Instant last = monotonic_now();
  for (int i = 0; i < 10'000; ++i) {
    const mrt::Instant now = monotonic_now();
    REQUIRE(now >= last);
    last = now;
  }
}

TEST_CASE("the wall clock counts milliseconds since 1970") {
  CHECK(wall_clock_ms() > 1'700'000'000'000);   // 2023
  CHECK(wall_clock_ms() < 10'000'000'000'000);  // 2286
}

TEST_CASE("two seeds differ") { CHECK(entropy_seed() != entropy_seed()); }

TEST_CASE("loopback is among this host's addresses, which come sorted and without scope") {
  const auto all = local_addresses();
  const auto loopback = std::find_if(all.begin(), all.end(), [](const LocalAddress& one) {
    return one.address == Address::v4(127, 0, 0, 1, 0);
  });
  REQUIRE(loopback != all.end());
  CHECK(loopback->loopback);
  for (const auto& one : all) {
    CHECK(one.address.port == 0);
    CHECK_FALSE(one.address.is_unspecified());
    CHECK(one.address.to_string().rfind("[fe80:", 0) == std::string::npos);
  }
  CHECK(std::is_sorted(all.begin(), all.end(),
                       [](const auto& a, const auto& b) { return a.address < b.address; }));
}

TEST_CASE("an address survives the kernel's form") {
  for (const char* text : {"127.0.0.1:1", "192.0.2.1:65535", "0.0.0.0:0", "[::1]:7700",
                           "[2001:db8::1234:5678]:53", "[::]:9"}) {
    const Address address = *Address::parse(text);
    const SocketAddress raw = to_sockaddr(address);
    CHECK(from_sockaddr(reinterpret_cast<const sockaddr*>(&raw.storage)) == address);
  }
}
