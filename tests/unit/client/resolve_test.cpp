// SPDX-License-Identifier: MIT
#include "client/resolve.h"

#include <doctest/doctest.h>

#include "unit/client/busy_pool.h"

using namespace client;
using Texts = std::vector<std::string>;

TEST_CASE("a list of servers is HOST:PORT each, or none alone") {
  const auto parsed = [](const Texts& texts) -> std::optional<Texts> {
    Texts out;
    std::string why;
    const bool good = parse_servers("--stun", texts, out, why);
    CHECK(good == why.empty());
    if (!good) return std::nullopt;
    return out;
  };
  CHECK(parsed({}) == Texts{});
  CHECK(parsed({"none"}) == Texts{});
  CHECK(parsed({"stun.example.org:3478", "[2001:db8::1]:1", "192.0.2.1:65535"}) ==
        Texts{"stun.example.org:3478", "[2001:db8::1]:1", "192.0.2.1:65535"});
  for (const Texts& wrong : {Texts{"none", "192.0.2.1:1"},
                             {"192.0.2.1"},
                             {""},
                             {":1"},
                             {"192.0.2.1:0"},
                             {"192.0.2.1:1", "x"}})
    CHECK(!parsed(wrong));
}

TEST_CASE("an address is taken as it is, and only one that can be sent to") {
  std::string why;
  CHECK(resolve_all("192.0.2.1:3478", why) == std::vector{mrt::Address::v4(192, 0, 2, 1, 3478)});
  CHECK(resolve_all("[2001:db8::1]:3478", why) ==
        std::vector{*mrt::Address::parse("[2001:db8::1]:3478")});
  CHECK(why.empty());
  for (const char* nowhere : {"224.0.0.1:3478", "0.0.0.0:3478", "[::]:3478"}) {
    why.clear();
    CHECK(resolve_all(nowhere, why).empty());
    CHECK(!why.empty());
  }
}

TEST_CASE("a name is resolved beside the loop, an address at once") {
  uv_loop_t loop;
  uv_loop_init(&loop);
  std::vector<mrt::Address> found;
  {
    Resolver resolver(&loop);
    const auto note = [&](const auto& addresses, const std::string&) { found = addresses; };
    resolver.resolve("192.0.2.1:3478", note);
    CHECK(found == std::vector{mrt::Address::v4(192, 0, 2, 1, 3478)});
    CHECK(!resolver.is_busy());
    found.clear();
    BusyPool pool(&loop);
    resolver.resolve("localhost:3478", note);
    CHECK(found.empty());
    CHECK(resolver.is_busy());
    pool.open();
    uv_run(&loop, UV_RUN_DEFAULT);
    REQUIRE(!found.empty());
    CHECK(found.front().is_loopback());
    CHECK(found.front().port == 3478);
    CHECK(!resolver.is_busy());
  }
  CHECK(uv_loop_close(&loop) == 0);
}

TEST_CASE("after a resolver's end nothing is called back") {
  uv_loop_t loop;
  uv_loop_init(&loop);
  bool called = false;
  {
    BusyPool pool(&loop);
    {
      Resolver resolver(&loop);
      resolver.resolve("localhost:1", [&](const auto&, const auto&) { called = true; });
    }
    pool.open();
    uv_run(&loop, UV_RUN_DEFAULT);
  }
  CHECK(!called);
  CHECK(uv_loop_close(&loop) == 0);
}
