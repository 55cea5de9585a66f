// SPDX-License-Identifier: MIT
#include "stun/rendezvous_table.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "mrt/base/random.h"

using namespace stun;
using mrt::Address;
using mrt::Instant;
using namespace std::chrono_literals;
using Outcome = RendezvousTable::Outcome;

namespace {

const Instant start{100s};
const Address server = Address::v4(192, 0, 2, 1, 7700);

LookUpId id_of(uint32_t i) {
  LookUpId id{};
  for (size_t k = 0; k < 4; ++k) id[k] = static_cast<uint8_t>(i >> (24 - 8 * k));
  return id;
}
NodeTag node_of(uint8_t i) { return {i}; }
Address nth(uint32_t i) {
  return Address::v4(11, static_cast<uint8_t>(i >> 16), static_cast<uint8_t>(i >> 8),
                     static_cast<uint8_t>(i), 7700);
}

RendezvousTable::Entry entry(uint8_t node, uint64_t epoch, uint64_t sequence = 1,
                             mrt::Duration life = 60s, const Address& from = nth(1)) {
  RendezvousTable::Entry out;
  out.where = {node_of(node), epoch, from, {}};
  out.transaction = node;
  out.sequence = sequence;
  out.path = {server, from};
  out.life = life;
  return out;
}

std::vector<uint64_t> epochs(RendezvousTable& table, Instant now, const LookUpId& id) {
  std::vector<uint64_t> out;
  for (const auto* found : table.find(now, id)) out.push_back(found->where.epoch);
  return out;
}

}  // namespace

TEST_CASE("an entry is found until its life ends, swept or not") {
  RendezvousTable table;
  CHECK(table.put(start, id_of(1), entry(1, 5)) == Outcome::taken);
  CHECK(epochs(table, start + 59s, id_of(1)) == std::vector<uint64_t>{5});
  CHECK(epochs(table, start + 60s, id_of(1)).empty());
  CHECK(epochs(table, start, id_of(2)).empty());
  table.sweep(start + 60s);
  CHECK(table.entries() == 0);
  CHECK(table.networks() == 0);
}

TEST_CASE("a supernode that keeps on is kept, from its address and under its transaction only") {
  RendezvousTable table;
  table.put(start, id_of(1), entry(1, 5));
  const mrt::Path path{server, nth(1)};
  CHECK(table.keep(start + 50s, {1, id_of(1), node_of(1)}, path) != nullptr);
  CHECK(table.keep(start + 50s, {2, id_of(1), node_of(1)}, path) == nullptr);
  CHECK(table.keep(start + 50s, {1, id_of(1), node_of(2)}, path) == nullptr);
  CHECK(table.keep(start + 50s, {1, id_of(2), node_of(1)}, path) == nullptr);
  CHECK(table.keep(start + 50s, {1, id_of(1), node_of(1)}, {server, nth(2)}) == nullptr);
  CHECK(epochs(table, start + 109s, id_of(1)).size() == 1);
  CHECK(table.keep(start + 110s, {1, id_of(1), node_of(1)}, path) == nullptr);
}

TEST_CASE("the highest epoch is named first, and a fifth supernode takes the lowest one's place") {
  RendezvousTable table;
  for (const uint8_t i : std::array<uint8_t, 4>{3, 1, 4, 2}) {
    CHECK(table.put(start, id_of(1), entry(i, i)) == Outcome::taken);
  }
  CHECK(epochs(table, start, id_of(1)) == std::vector<uint64_t>{4, 3, 2, 1});
  CHECK(table.put(start, id_of(1), entry(9, 1)) == Outcome::crowded);
  CHECK(table.put(start, id_of(1), entry(9, 9)) == Outcome::taken);
  CHECK(epochs(table, start, id_of(1)) == std::vector<uint64_t>{9, 4, 3, 2});
  CHECK(table.is_consistent());
}

TEST_CASE("what was taken back is gone, and a late copy does not bring it back") {
  RendezvousTable table;
  table.put(start, id_of(1), entry(1, 5, 2));
  const Keep leave{1, id_of(1), node_of(1), true};
  const auto* const left = table.keep(start, leave, {server, nth(1)});
  REQUIRE(left != nullptr);
  CHECK(left->life == 0s);
  CHECK(epochs(table, start, id_of(1)).empty());
  CHECK(table.keep(start, leave, {server, nth(1)}) == nullptr);
  for (const uint64_t sequence : {1u, 2u}) {
    CHECK(table.put(start + 19s, id_of(1), entry(1, 5, sequence)) == Outcome::stale);
  }
  CHECK(epochs(table, start + 19s, id_of(1)).empty());
  // It starts anew.
  CHECK(table.put(start + 19s, id_of(1), entry(1, 6, 3)) == Outcome::taken);
  CHECK(epochs(table, start + 19s, id_of(1)) == std::vector<uint64_t>{6});
}

TEST_CASE("a node that has restarted is not bound by what it said before") {
  RendezvousTable table;
  table.put(start, id_of(1), entry(1, 5, 100));
  auto anew = entry(1, 2, 1);
  anew.transaction = 77;
  CHECK(table.put(start, id_of(1), anew) == Outcome::taken);
  CHECK(epochs(table, start, id_of(1)) == std::vector<uint64_t>{2});
}

TEST_CASE("one address registers so many networks and no more, others are not hindered") {
  RendezvousTable table;
  for (uint32_t i = 0; i < RendezvousTable::entries_per_place_max; ++i) {
    REQUIRE(table.put(start, id_of(i), entry(1, 1)) == Outcome::taken);
  }
  CHECK(table.put(start, id_of(9'999), entry(1, 1)) == Outcome::crowded);
  CHECK(table.put(start, id_of(9'999), entry(1, 1, 1, 60s, nth(2))) == Outcome::taken);
  // Nor by moving there.
  CHECK(table.put(start, id_of(9'999), entry(1, 1, 2)) == Outcome::crowded);
  // Who is there may say more.
  CHECK(table.put(start, id_of(7), entry(1, 2, 2)) == Outcome::taken);
  CHECK(table.is_consistent());
}

TEST_CASE("a full table refuses newcomers and pushes nobody out") {
  RendezvousTable table;
  uint32_t i = 0;
  for (; i < RendezvousTable::entries_max; ++i) {
    const auto from = nth(i / 200);
    REQUIRE(table.put(start, id_of(i), entry(1, 1, 1, 60s, from)) == Outcome::taken);
  }
  CHECK(table.put(start, id_of(i), entry(1, 1, 1, 60s, nth(99'999))) == Outcome::full);
  CHECK(epochs(table, start, id_of(0)).size() == 1);
  // All are swept within half a minute of their end.
  for (size_t s = 0; s <= RendezvousTable::sweeps_for_all; ++s) table.sweep(start + 60s);
  CHECK(table.entries() == 0);
  CHECK(table.put(start + 90s, id_of(i), entry(1, 1)) == Outcome::taken);
}

TEST_CASE("the table agrees with a naive one") {
  struct Known {
    RendezvousTable::Entry entry;
    Instant ends_at;
    bool taken_back;
  };
  mrt::Random random(mrt::seed_from(3));
  RendezvousTable table;
  std::map<std::pair<uint32_t, uint8_t>, Known> model;
  Instant now = start;
  for (int step = 0; step < 20'000; ++step) {
    now += random.between(0s, 2s);
    const auto network = static_cast<uint32_t>(random.below(5));
    const auto node = static_cast<uint8_t>(random.below(supernodes_max));  // nobody is pushed out
    const auto known = model.find({network, node});
    switch (random.below(4)) {
      case 0: {
        auto said = entry(node, random.below(5), random.below(8), random.between(1s, 60s),
                          nth(static_cast<uint32_t>(random.below(3))));
        const bool older = known != model.end() && now < known->second.ends_at &&
                           said.sequence < known->second.entry.sequence + known->second.taken_back;
        CHECK(table.put(now, id_of(network), said) == (older ? Outcome::stale : Outcome::taken));
        if (!older) model[{network, node}] = {said, now + said.life, false};
        break;
      }
      case 1: {
        const mrt::Path path{server, nth(static_cast<uint32_t>(random.below(3)))};
        const bool right = known != model.end() && !known->second.taken_back &&
                           now < known->second.ends_at && known->second.entry.path == path;
        const Keep keep{node, id_of(network), node_of(node), random.chance(0.2)};
        CHECK((table.keep(now, keep, path) != nullptr) == right);
        if (!right) break;
        known->second.taken_back = keep.leave;
        known->second.ends_at = now + (keep.leave ? cookie_life_max : known->second.entry.life);
        break;
      }
      case 2:
        table.sweep(now);
        break;
      default: {
        std::vector<uint64_t> expected;
        for (const auto& [key, one] : model) {
          const bool lives = !one.taken_back && now < one.ends_at;
          if (key.first == network && lives) expected.push_back(one.entry.where.epoch);
        }
        std::sort(expected.rbegin(), expected.rend());
        CHECK(epochs(table, now, id_of(network)) == expected);
      }
    }
    REQUIRE(table.is_consistent());
  }
}
