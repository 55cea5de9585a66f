// SPDX-License-Identifier: MIT
#include "stun/port_search.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace stun;
using namespace std::chrono_literals;
using mrt::Address;
using mrt::Instant;
using Half = PortSearch::Half;

namespace {

const Address host = Address::v4(192, 0, 2, 1, 40'000);

struct Sent {
  Instant at;
  Address to;
};

/// Asks when it wants to be asked, or `late` after that; what it named.
std::vector<Sent> run(PortSearch& search, Instant until, mrt::Duration late = {}) {
  std::vector<Sent> out;
  while (search.next_timeout() != mrt::never && search.next_timeout() + late <= until) {
    const Instant now = search.next_timeout() + late;
    if (const auto to = search.poll(now)) out.push_back({now, *to});
    CHECK(search.next_timeout() > now - late);
  }
  return out;
}

}  // namespace

TEST_CASE("of 256 ports that are open one is found within 1,024 probes in 98 of 100 draws") {
  int found = 0;
  mrt::Random random(mrt::seed_from(7));
  for (int draw = 0; draw < 1000; ++draw) {
    std::set<uint16_t> open;
    while (open.size() < spares_max)
      open.insert(static_cast<uint16_t>(1024 + random.below(64'512)));
    PortSearch search;
    REQUIRE(search.begin(Instant{1s}, Half::tries, host, random));
    bool hit = false;
    for (const Sent& one : run(search, Instant{60s})) hit = hit || open.contains(one.to.port);
    found += hit ? 1 : 0;
  }
  CHECK(found >= 980);
}

TEST_CASE("ports are tried at a hundred a second, none of them twice") {
  for (const mrt::Duration late : {0ms, 3ms, 8ms}) {
    PortSearch search;
    mrt::Random random(mrt::seed_from(1));
    REQUIRE(search.begin(Instant{1s}, Half::tries, host, random));
    const auto sent = run(search, Instant{60s}, late);
    CHECK(sent.size() == probes_max);
    std::set<Address> tried;
    for (const Sent& one : sent) {
      CHECK(one.to.ip == host.ip);
      CHECK(one.to.port >= 1024);
      CHECK(tried.insert(one.to).second);
    }
    for (size_t i = 0; i + 101 < sent.size(); ++i) CHECK(sent[i + 101].at - sent[i].at > 1s);
    // A host that is a little late with each is not slower for that.
    if (late < 5ms) CHECK(sent.back().at < Instant{12s});
    CHECK(!search.is_running(Half::tries));
  }
}

TEST_CASE("ports are opened for one address at the same pace, and then waited at") {
  PortSearch search;
  mrt::Random random(mrt::seed_from(1));
  REQUIRE(search.begin(Instant{1s}, Half::opens, host, random));
  const auto sent = run(search, Instant{5s});
  REQUIRE(sent.size() == spares_max);
  for (const Sent& one : sent) CHECK(one.to == host);
  CHECK(sent.back().at == Instant{1s} + spares_max * probe_interval);
  CHECK(search.is_running(Half::opens));
  CHECK(search.next_timeout() == Instant{1s} + search_time_max);
  CHECK(!search.poll(search.next_timeout()));
  CHECK(search.next_timeout() == mrt::never);
}

TEST_CASE("whatever is asked for, no more is sent, and one host is left in peace for a minute") {
  PortSearch search;
  mrt::Random random(mrt::seed_from(1));
  Instant now{1s};
  std::map<Address, size_t> sent;
  // Each millisecond another wish, and each other one is given up at once.
  for (; now < Instant{31s}; now += 1ms) {
    const auto number = static_cast<uint8_t>(random.below(200));
    const auto port = static_cast<uint16_t>(1 + random.below(65'535));
    search.begin(now, random.chance(0.5) ? Half::tries : Half::opens,
                 Address::v4(198, 51, 100, number, port), random);
    if (const auto to = search.poll(now)) ++sent[{to->ip, 0}];
    if (random.chance(0.003)) search.end();
    CHECK(search.is_consistent());
  }
  size_t all = 0;
  for (const auto& [to, count] : sent) all += count;
  CHECK(all <= 3'000);
  CHECK(all > 1'500);
  CHECK(sent.size() > 32);

  search.end();
  CHECK(!search.begin(now, Half::tries, {sent.begin()->first.ip, 7}, random));
  now += search_pause;
  CHECK(search.begin(now, Half::tries, {sent.begin()->first.ip, 7}, random));
}

TEST_CASE("one host is searched at a time, and none that is nobody's behind a NAT") {
  PortSearch search;
  mrt::Random random(mrt::seed_from(1));
  for (const Address& wrong :
       {Address::v4(127, 0, 0, 1, 7700), Address::v4(224, 0, 0, 1, 7700), Address{},
        Address::v4(192, 0, 2, 1, 0), *Address::parse("[::1]:7700")}) {
    CHECK(!search.begin(Instant{1s}, Half::tries, wrong, random));
  }
  CHECK(search.begin(Instant{1s}, Half::tries, host, random));
  CHECK(search.seeks({host.ip, 1}));
  CHECK(!search.begin(Instant{1s}, Half::tries, Address::v4(192, 0, 2, 2, 1), random));
  search.end();
  CHECK(!search.seeks(host));
  CHECK(search.next_timeout() == mrt::never);
  CHECK(search.begin(Instant{1s}, Half::opens, Address::v4(192, 0, 2, 2, 1), random));
}
