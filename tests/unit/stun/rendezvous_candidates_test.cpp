// SPDX-License-Identifier: MIT
#include "stun/rendezvous_candidates.h"

#include <doctest/doctest.h>

using namespace stun;
using mrt::Address;

TEST_CASE("what nobody can be at is not believed, whoever tells it") {
  for (const char* text :
       {"0.0.0.0:7700", "0.1.2.3:7700", "255.255.255.255:7700", "224.0.0.1:7700",
        "239.255.255.250:1900", "240.0.0.1:7700", "169.254.1.1:7700", "192.0.2.1:0", "[::]:7700",
        "[ff02::1]:7700", "[fe80::1]:7700", "[febf::1]:7700"}) {
    CAPTURE(text);
    CHECK_FALSE(is_plausible(*Address::parse(text), false));
    CHECK_FALSE(is_plausible(*Address::parse(text), true));
  }
}

TEST_CASE("loopback is believed only from this host") {
  for (const char* text : {"127.0.0.1:7700", "127.9.9.9:1", "[::1]:7700"}) {
    CAPTURE(text);
    CHECK_FALSE(is_plausible(*Address::parse(text), false));
    CHECK(is_plausible(*Address::parse(text), true));
  }
}

TEST_CASE("hosts on a LAN and on the Internet are believed") {
  for (const char* text : {"192.0.2.1:7700", "10.1.2.3:1", "192.168.1.1:65535", "100.64.0.1:7700",
                           "[2001:db8::1]:7700", "[fd00::1]:7700", "[fec0::1]:7700"}) {
    CAPTURE(text);
    CHECK(is_plausible(*Address::parse(text), false));
  }
}

TEST_CASE("a list keeps its order and loses what is implausible or said twice") {
  const Address one = Address::v4(192, 0, 2, 1, 1), two = Address::v4(192, 0, 2, 2, 2);
  std::vector<Address> list{two, Address::v4(127, 0, 0, 1, 3), one, two, {}};
  CHECK(drop_implausible(list, false) == 3);
  CHECK(list == std::vector<Address>{two, one});
}
