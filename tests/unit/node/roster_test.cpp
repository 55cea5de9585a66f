// SPDX-License-Identifier: MIT
#include "node/roster.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"

using namespace node;

static NodeId node_id(uint64_t number) {
  NodeId id;
  id.bytes[0] = static_cast<uint8_t>(number >> 8);
  id.bytes[1] = static_cast<uint8_t>(number);
  return id;
}

static RosterEntry entry(uint64_t number, std::string nick, uint64_t life = 1) {
  return {node_id(number), {life}, std::move(nick), {mrt::Address::v4(10, 0, 0, 1, 1)}, 5, 0};
}

static void send_all(const std::vector<RosterUpdate>& updates, Roster& to) {
  for (const RosterUpdate& update : updates) to.apply(update);
}

TEST_CASE("a member that applies the changes has what the supernode has") {
  mrt::Random random(mrt::seed_from(1));
  Roster supernode;
  Roster member;
  for (int round = 0; round < 300; ++round) {
    const size_t edits = 1 + random.below(300);  // more than one part now and then
    for (size_t i = 0; i < edits; ++i) {
      const uint64_t number = random.below(400);
      if (random.chance(0.6)) {
        supernode.put(entry(number, "n" + std::to_string(number), 1 + random.below(2)));
      } else {
        supernode.remove(node_id(number), GoneReason::lost);
      }
    }
    send_all(supernode.take_changes({1}, node_id(0)), member);
    REQUIRE(supernode.is_consistent());
    REQUIRE(member.entries() == supernode.entries());
    REQUIRE(member.version() == supernode.version());
  }
}

TEST_CASE("the full list in parts replaces whatever was there") {
  Roster supernode;
  for (uint64_t i = 0; i < 3 * roster_part_max + 5; ++i)
    supernode.put(entry(i, "n" + std::to_string(i)));
  Roster member;
  member.put(entry(60'000, "stale"));
  const auto parts = supernode.full({2}, node_id(0));
  CHECK(parts.size() == 4);
  std::vector<std::pair<RosterEntry, GoneReason>> left;
  for (const auto& part : parts) {
    const auto change = member.apply(part);
    left.insert(left.end(), change.left.begin(), change.left.end());
  }
  CHECK(member.entries() == supernode.entries());
  REQUIRE(left.size() == 1);
  CHECK(left[0].first.nick == "stale");
}

TEST_CASE("applying an update twice tells nothing new") {
  Roster supernode;
  supernode.put(entry(1, "anna"));
  const auto updates = supernode.take_changes({1}, node_id(0));
  Roster member;
  CHECK(member.apply(updates[0]).joined.size() == 1);
  CHECK_FALSE(member.apply(updates[0]).changed);
}

TEST_CASE("ranks and round trips alone are no news for people: in a large star all would change") {
  Roster member;
  RosterEntry anna = entry(1, "anna");
  RosterUpdate update{{1}, node_id(0), {1}, true, true, {anna}, {}};
  CHECK(member.apply(update).changed);
  update.version = {2};
  update.full = false;
  update.entries[0].rank = anna.rank + 1;
  update.entries[0].rtt_us = anna.rtt_us + 9;
  CHECK_FALSE(member.apply(update).changed);
  CHECK(member.find(anna.node)->rank == anna.rank + 1);
  update.version = {3};
  update.entries[0].nick = "anna-2";
  CHECK(member.apply(update).changed);
}

TEST_CASE("whether an update would lose a node is known before it is applied") {
  Roster supernode;
  for (uint64_t i = 0; i < 2 * roster_part_max; ++i)
    supernode.put(entry(i, "n" + std::to_string(i)));
  const auto parts = supernode.full({1}, node_id(0));
  REQUIRE(parts.size() == 2);
  const NodeId stranger = node_id(60'000);
  const NodeId early = parts[0].entries[0].node;
  Roster member;
  CHECK_FALSE(member.would_lose(parts[0], stranger));  // more may come
  member.apply(parts[0]);
  CHECK(member.would_lose(parts[1], stranger));
  CHECK_FALSE(member.would_lose(parts[1], early));
  CHECK_FALSE(member.would_lose(parts[1], parts[1].entries[5].node));
  member.apply(parts[1]);
  supernode.remove(early, GoneReason::lost);
  const auto changes = supernode.take_changes({1}, node_id(0));
  CHECK(member.would_lose(changes[0], early));
  CHECK_FALSE(member.would_lose(changes[0], parts[1].entries[5].node));
}

TEST_CASE("another life of a node leaves and joins") {
  Roster member;
  member.apply({{1}, node_id(0), {1}, false, true, {entry(1, "anna", 1)}, {}});
  const auto change = member.apply({{1}, node_id(0), {2}, false, true, {entry(1, "anna", 2)}, {}});
  CHECK(change.left.size() == 1);
  CHECK(change.joined.size() == 1);
}

TEST_CASE("a change of RTT alone is sent to nobody") {
  Roster supernode;
  supernode.put(entry(1, "anna"));
  supernode.take_changes({1}, node_id(0));
  RosterEntry slower = *supernode.find(node_id(1));
  slower.rtt_us = 99'000;
  supernode.put(slower);
  CHECK_FALSE(supernode.has_changes());
  CHECK(supernode.find(node_id(1))->rtt_us == 99'000);
}

TEST_CASE("the second anna is anna-2, a third anna-3, and a long name is cut") {
  Roster roster;
  roster.put(entry(1, "anna"));
  CHECK(roster.free_nick(node_id(1), "anna") == "anna");  // it is hers
  CHECK(roster.free_nick(node_id(2), "anna") == "anna-2");
  roster.put(entry(2, "anna-2"));
  CHECK(roster.free_nick(node_id(3), "anna") == "anna-3");
  const std::string longest(32, 'x');
  roster.put(entry(4, longest));
  const std::string granted = roster.free_nick(node_id(5), longest);
  CHECK(granted == std::string(30, 'x') + "-2");
}

TEST_CASE("a node is found by nick, by nick and id, and by the start of its id") {
  Roster roster;
  roster.put(entry(0x1234, "anna"));
  roster.put(entry(0x1299, "bert"));
  CHECK(roster.find("anna")->nick == "anna");
  CHECK(roster.find("anna~1234")->nick == "anna");
  CHECK(roster.find("anna~9") == nullptr);
  CHECK(roster.find("1234")->nick == "anna");
  CHECK(roster.find("12") == nullptr);
  CHECK(roster.find("carl") == nullptr);
}

TEST_CASE("ranks follow the succession and the supernode is first") {
  Roster roster;
  for (uint64_t i = 1; i <= 4; ++i) roster.put(entry(i, "n" + std::to_string(i)));
  roster.rank(node_id(3), {node_id(4), node_id(1), node_id(2)});
  CHECK(roster.by_rank() == std::vector{node_id(3), node_id(4), node_id(1), node_id(2)});
}

TEST_CASE("no more than members_max are taken from an update") {
  Roster member;
  RosterVersion version{1};
  for (uint64_t i = 0; i < members_max + 300; i += roster_part_max, ++version.value) {
    RosterUpdate update{{1}, node_id(0), version, false, true, {}, {}};
    for (uint64_t j = i; j < i + roster_part_max; ++j) {
      update.entries.push_back(entry(j, "n" + std::to_string(j)));
    }
    member.apply(update);
  }
  CHECK(member.size() == members_max);
  CHECK(member.is_full());
}
