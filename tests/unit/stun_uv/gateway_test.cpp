// SPDX-License-Identifier: MIT
#include "stun/uv/gateway.h"

#include <doctest/doctest.h>

using stun::uv::parse_default_route;

namespace {

const std::string head =
    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";
const std::string lan = "eth0\t0007A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
const std::string by_cable = "eth0\t00000000\t0107A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
const std::string by_air = "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n";
// A tunnel that takes half of everything, and a link without a router.
const std::string half = "tun0\t00000000\t0100080A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n";
const std::string point = "ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";

}  // namespace

TEST_CASE("the gateway is that of the default route with the lowest metric") {
  for (const std::string& text :
       {head + lan + by_cable + by_air, head + by_air + half + by_cable, head + point + by_cable}) {
    CAPTURE(text);
    const auto route = parse_default_route(text);
    REQUIRE(route);
    CHECK(route->device == "eth0");
    CHECK(route->gateway == mrt::Address::v4(192, 168, 7, 1, 0));
  }
}

TEST_CASE("without a default route there is no gateway, whatever else is written") {
  for (const std::string& text :
       {std::string(), head, head + lan, head + half + point, head + "eth0\t00000000\tzz\n",
        head + "eth0\t00000000\t0107A8CZ\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
        head + "eth0\t00000000\t10107A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"}) {
    CAPTURE(text);
    CHECK(!parse_default_route(text));
  }
}
