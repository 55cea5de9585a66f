// SPDX-License-Identifier: MIT
#include "client/servers.h"

#include <doctest/doctest.h>

#include <memory>

#include "unit/client/busy_pool.h"

using namespace client;
using mrt::Address;

namespace {

Options parsed(const std::vector<std::string>& arguments, const Environment& environment = {}) {
  auto out = parse_options(arguments, environment);
  REQUIRE(std::holds_alternative<Options>(out));
  return std::get<Options>(std::move(out));
}

/// Whom a node with these options asks before the loop has turned: addresses, not names.
struct Asked {
  explicit Asked(const std::vector<std::string>& arguments, const Environment& environment = {})
      : options(parsed(arguments, environment)) {
    uv_loop_init(&loop);
    servers = std::make_unique<Servers>(
        &loop, options,
        Servers::Actions{
            [this](const auto& found) { rendezvous.push_back(found); },
            [this](const auto& found) { stun.insert(stun.end(), found.begin(), found.end()); },
            [this](const std::string&) { ++warnings; }});
    servers->begin();
  }
  ~Asked() {
    servers.reset();
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
  }

  uv_loop_t loop;
  Options options;
  std::vector<std::vector<Address>> rendezvous;
  std::vector<Address> stun;
  int warnings = 0;
  std::unique_ptr<Servers> servers;
};

const Address one = Address::v4(192, 0, 2, 1, 7700), two = Address::v4(192, 0, 2, 2, 3478);

}  // namespace

TEST_CASE("servers that are named are asked, and rendezvous servers answer STUN too") {
  const Asked asked({"--rendezvous", "192.0.2.1:7700", "--stun", "192.0.2.2:3478"});
  CHECK(asked.rendezvous == std::vector<std::vector<Address>>{{one}});
  CHECK(asked.stun == std::vector{one, two});
  CHECK(asked.servers->has_rendezvous());
  CHECK(asked.warnings == 0);
}

TEST_CASE("who wants no STUN asks nobody, and finds networks all the same") {
  const std::vector<std::string> named{"--rendezvous", "192.0.2.1:7700"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), named.begin(), named.end());
    return more;
  };
  for (const auto& arguments : {with({"--nat", "none"}), with({"--stun", "none"})}) {
    Asked asked(arguments);
    asked.servers->reach_beyond();
    CHECK(asked.stun.empty());
    CHECK(!asked.servers->is_busy());
    CHECK(asked.rendezvous.size() == 1);
  }
  CHECK(Asked(named, {{"THUBAN_NAT", "none"}}).stun.empty());
}

TEST_CASE("THUBAN_NAT is a default: what the command line says counts more") {
  const Environment none{{"THUBAN_NAT", "none"}};
  CHECK(Asked({"--stun", "192.0.2.2:3478"}, none).stun == std::vector{two});
  CHECK(Asked({"--nat", "auto", "--rendezvous", "192.0.2.1:7700"}, none).stun == std::vector{one});
}

TEST_CASE("public servers are asked by nobody who named one, or wants none") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"--stun", "192.0.2.2:3478"},
        {"--rendezvous", "192.0.2.1:7700"},
        {"--nat", "none"},
        {"--stun", "none"}}) {
    Asked asked(arguments);
    asked.servers->reach_beyond();
    CHECK(!asked.servers->is_busy());
  }
  // And by others only when they want to get somewhere. Here nobody is: the pool has no time.
  Asked asked({});
  CHECK(!asked.servers->is_busy());
  BusyPool pool(&asked.loop);
  asked.servers->reach_beyond();
  CHECK(asked.servers->is_busy());
  asked.servers.reset();
  pool.open();
  uv_run(&asked.loop, UV_RUN_DEFAULT);
  CHECK(asked.stun.empty());
}

TEST_CASE("what is no server is told once, and when no rendezvous is left that, too") {
  const Asked asked({"--rendezvous", "224.0.0.1:7700", "--stun", "0.0.0.0:1"});
  CHECK(asked.warnings == 2);
  CHECK(asked.rendezvous == std::vector<std::vector<Address>>{{}});
  CHECK(!asked.servers->has_rendezvous());
}
