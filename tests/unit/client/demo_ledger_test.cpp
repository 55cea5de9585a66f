// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <vector>

#include "client/demo_ledger.h"

using client::DemoDelivery;
using client::DemoLedger;
using client::DemoTally;

namespace {

using Deliveries = std::vector<DemoDelivery>;

DemoLedger three_said() {
  DemoLedger ledger;
  ledger.said("a", 0);
  ledger.said("b", 1'000'000);
  ledger.said("c", 2'000'000);
  return ledger;
}

const Deliveries all = {{"a", 1'000'000}, {"b", 3'000'000}, {"c", 5'000'000}};

}  // namespace

TEST_CASE("all delivered to all in one order is clean") {
  const DemoTally tally = three_said().tally({all, all}, {});
  CHECK(tally.sent == 3);
  CHECK(tally.nodes == 2);
  CHECK(tally.delivered == 6);
  CHECK(tally.clean());
}

TEST_CASE("a message that one node lacks is lost once") {
  const DemoTally tally = three_said().tally({all, {all[0], all[2]}}, {});
  CHECK(tally.lost == 1);
  CHECK(tally.delivered == 5);
  CHECK(!tally.clean());
}

TEST_CASE("a message that comes twice is doubled, not delivered more often") {
  const DemoTally tally = three_said().tally({all, {all[0], all[1], all[1], all[2]}}, {});
  CHECK(tally.doubled == 1);
  CHECK(tally.delivered == 6);
  CHECK(tally.lost == 0);
  CHECK(!tally.clean());
}

TEST_CASE("another order is told") {
  const DemoTally tally = three_said().tally({all, {all[1], all[0], all[2]}}, {});
  CHECK(!tally.same_order);
  CHECK(tally.lost == 0);
}

TEST_CASE("who was killed may have less, but nothing else") {
  CHECK(three_said().tally({all}, {all[0], all[1]}).clean());
  CHECK(!three_said().tally({all}, {all[1]}).same_order);
  const Deliveries more = {all[0], all[1], all[2], {"d", 9}};
  CHECK(!three_said().tally({all}, more).same_order);
}

TEST_CASE("latencies count from saying to each delivery of the messages asked for") {
  const DemoLedger ledger = three_said();
  CHECK(ledger.latencies(0, 3, {all}) == std::vector<double>{1, 2, 3});
  CHECK(ledger.latencies(1, 2, {all, all}) == std::vector<double>{2, 2});
  CHECK(ledger.latencies(0, 3, {{{"unknown", 5}}}).empty());
}

TEST_CASE("a percentile is one of the values") {
  const std::vector<double> values = {1, 2, 3, 4};
  CHECK(client::percentile(values, 0.5) == 2);
  CHECK(client::percentile(values, 0.99) == 4);
  CHECK(client::percentile(values, 0) == 1);
  CHECK(client::percentile({}, 0.5) == 0);
  CHECK(client::percentile({7}, 0.99) == 7);
}
