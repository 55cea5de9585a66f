// SPDX-License-Identifier: MIT
//
// On the loopback device alone: what crosses a LAN is in tests/net.
#include "stun/uv/neighbourhood.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include "unit/mrt_uv/turning_loop.h"

using fixture::TurningLoop;
using mrt::Address;
using mrt::uv::LocalAddress;
using stun::uv::links_of;
using stun::uv::Neighbourhood;

namespace {

Address ip(const char* text) { return *Address::parse(text, 0); }

const LocalAddress lo{ip("127.0.0.1"), "lo", true, 8};
const LocalAddress lo6{ip("::1"), "lo", true, 128};
const LocalAddress eth{ip("192.168.7.5"), "eth0", false, 24};
const LocalAddress eth_second{ip("192.168.9.5"), "eth0", false, 24};
const LocalAddress eth6{ip("fd00:7::5"), "eth0", false, 64};
const LocalAddress wifi{ip("10.0.0.5"), "wlan0", false, 8};
const std::vector<LocalAddress> all{lo, eth, eth_second, wifi, lo6, eth6};

std::vector<std::string> names(const std::vector<Address>& bound,
                               const std::vector<LocalAddress>& interfaces = all) {
  std::vector<std::string> out;
  for (const LocalAddress& one : links_of(bound, interfaces))
    out.push_back(one.address.to_string());
  return out;
}

/// Closed at its end, as REQUIRED.
struct Program {
  TurningLoop& loop;
  Neighbourhood neighbourhood;
  std::optional<std::vector<Address>> found;

  Program(TurningLoop& on, const char* bound)
      : loop(on), neighbourhood(&on.uv(), {*Address::parse(bound)}) {}
  ~Program() {
    bool over = false;
    neighbourhood.close([&over] { over = true; });
    loop.turn_until([&over] { return over; });
  }
  const std::vector<Address>& ask(const std::string& network) {
    neighbourhood.ask(network, [this](const auto& addresses) { found = addresses; });
    CHECK(neighbourhood.is_asking());
    loop.turn_until([this] { return found.has_value(); });
    return *found;
  }
};

}  // namespace

TEST_CASE("a node asks where its sockets are, once on each device") {
  CHECK(names({ip("0.0.0.0"), ip("::")}) ==
        std::vector<std::string>{"127.0.0.1:0", "192.168.7.5:0", "10.0.0.5:0", "[fd00:7::5]:0"});
  CHECK(names({ip("127.0.0.1")}) == std::vector<std::string>{"127.0.0.1:0"});
  CHECK(names({ip("192.168.9.5")}) == std::vector<std::string>{"192.168.9.5:0"});
  CHECK(names({ip("::")}) == std::vector<std::string>{"[fd00:7::5]:0"});
  CHECK(names({ip("::1")}).empty());
  std::vector<LocalAddress> many;
  for (uint8_t i = 1; i < 40; ++i) {
    many.push_back({Address::v4(10, i, 0, 1, 0), "veth" + std::to_string(i), false, 24});
  }
  CHECK(names({ip("0.0.0.0")}, many).size() == stun::Beacon::links_max);
}

TEST_CASE("programs of one host find each other over loopback, those of another network do not") {
  TurningLoop loop;
  Program anna(loop, "127.0.0.1:7001");
  Program ben(loop, "127.0.0.1:7002");
  Program carl(loop, "127.0.0.1:7003");
  // A name that no other test on this host asks for.
  const std::string network = "unit-" + std::to_string(getpid());
  anna.neighbourhood.answer_for(network, 0);
  ben.neighbourhood.answer_for(network + "-2", 0);
  CHECK(carl.ask(network) == std::vector{*Address::parse("127.0.0.1:7001")});
  CHECK(ben.ask(network + "-3").empty());
  anna.neighbourhood.answer_for("", 0);
  carl.found.reset();
  CHECK(carl.ask(network).empty());
}

TEST_CASE("what was asked is forgotten where the program ends") {
  TurningLoop loop;
  Program anna(loop, "127.0.0.1:7001");
  anna.neighbourhood.ask("unit", [](const auto&) { FAIL("called back"); });
}
