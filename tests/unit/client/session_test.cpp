// SPDX-License-Identifier: MIT
#include "client/session.h"

#include <doctest/doctest.h>

using mrt::Address;

static std::vector<std::string> reachable(const std::string& bound,
                                          const std::vector<std::string>& interfaces) {
  std::vector<mrt::uv::LocalAddress> local;
  for (const std::string& ip : interfaces) {
    const Address address = *Address::parse(ip, 0);
    local.push_back({address, "eth0", address.is_loopback()});
  }
  std::vector<std::string> out;
  for (const Address& address : client::reachable_addresses({*Address::parse(bound)}, local)) {
    out.push_back(address.to_string());
  }
  return out;
}

TEST_CASE("a socket on all interfaces is reached at each of them, loopback last") {
  const std::vector<std::string> all{"127.0.0.1", "192.0.2.7", "::1", "2001:db8::7"};
  CHECK(reachable("0.0.0.0:7700", all) ==
        std::vector<std::string>{"192.0.2.7:7700", "127.0.0.1:7700"});
  CHECK(reachable("[::]:7700", all) ==
        std::vector<std::string>{"[2001:db8::7]:7700", "[::1]:7700"});
}

TEST_CASE("a socket on one address is reached there") {
  CHECK(reachable("127.0.0.1:7700", {"192.0.2.7"}) == std::vector<std::string>{"127.0.0.1:7700"});
}

TEST_CASE("with no interface up a socket has its loopback address and its port all the same") {
  CHECK(reachable("0.0.0.0:7700", {}) == std::vector<std::string>{"127.0.0.1:7700"});
  CHECK(reachable("[::]:7700", {}) == std::vector<std::string>{"[::1]:7700"});
}
