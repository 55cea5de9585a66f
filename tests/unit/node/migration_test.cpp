// SPDX-License-Identifier: MIT
#include "node/migration.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

using namespace node;
using std::chrono::milliseconds;

static NodeId node_id(uint8_t number) {
  NodeId id;
  id.bytes[0] = number;
  return id;
}

static mrt::Instant at(int64_t ms) { return mrt::Instant(milliseconds(ms)); }

// A star of machines whose messages arrive at once; the supernode is node 1, then by number.
struct Group {
  explicit Group(uint8_t count) {
    for (uint8_t i = 1; i <= count; ++i) by_rank.push_back(node_id(i));
    for (const NodeId& id : by_rank)
      machines.emplace(id, Migration(id)).first->second.on_view(at(0), {1}, by_rank);
  }

  void run(mrt::Instant now) {
    for (bool busy = true; busy;) {
      busy = false;
      for (auto& [id, machine] : machines) {
        while (const auto action = machine.poll_action()) {
          busy = true;
          carry_out(now, id, *action);
        }
      }
    }
  }

  void carry_out(mrt::Instant now, const NodeId& from, const Migration::Action& action) {
    if (const auto* a = std::get_if<Migration::SendSuspect>(&action)) {
      if (machines.contains(a->to)) machines.at(a->to).on_suspect(now, from, a->message);
    } else if (const auto* g = std::get_if<Migration::SendGather>(&action)) {
      if (machines.contains(g->to))
        machines.at(g->to).on_gather(now, from, g->message, word_wait_min);
    } else if (const auto* s = std::get_if<Migration::SendSurvivor>(&action)) {
      if (!machines.contains(s->to)) return;
      const Seq first = std::max(held_from[from], Seq{1});
      machines.at(s->to).on_survivor(now, from, {s->next, {1}, node_id(1), {}, held[from], first},
                                     held[s->to]);
    } else if (const auto* w = std::get_if<Migration::SendWant>(&action)) {
      wants.emplace_back(from, *w);
    } else if (const auto* b = std::get_if<Migration::Begin>(&action)) {
      begun.emplace_back(from, *b);
      for (auto& [id, machine] : machines) {
        if (id == from || b->survivors.contains(id)) machine.on_view(now, b->epoch, by_rank);
      }
    } else {
      rejoins.push_back(from);
    }
  }

  void pass_time(mrt::Instant now) {
    for (auto& [id, machine] : machines) {
      if (machine.next_timeout() <= now) machine.on_timeout(now, held[id]);
    }
    run(now);
  }

  std::vector<NodeId> by_rank;
  std::map<NodeId, Migration> machines;
  std::map<NodeId, Seq> held;
  std::map<NodeId, Seq> held_from;
  std::vector<std::pair<NodeId, Migration::Begin>> begun;
  std::vector<std::pair<NodeId, Migration::SendWant>> wants;
  std::vector<NodeId> rejoins;
};

TEST_CASE("a dead supernode is followed by its first successor with all survivors") {
  Group group(5);
  group.machines.erase(node_id(1));
  for (uint8_t i = 2; i <= 5; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(2));
  CHECK(group.begun[0].second.epoch == Epoch{2});
  CHECK(group.begun[0].second.survivors.size() == 3);
  for (auto& [id, machine] : group.machines) CHECK(machine.is_steady());
}

TEST_CASE("one member's silence alone moves nobody") {
  Group group(5);
  group.machines.at(node_id(4)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.begun.empty());
  CHECK(group.machines.at(node_id(2)).is_steady());
  // It is its own connection that is broken: it connects anew.
  group.pass_time(at(500) + successor_wait);
  CHECK(group.rejoins == std::vector{node_id(4)});
}

TEST_CASE("two who miss the supernode one after the other, and both in vain, do not agree") {
  Group group(5);
  Migration& four = group.machines.at(node_id(4));
  Migration& successor = group.machines.at(node_id(2));
  four.on_silent(at(500), node_id(1));
  group.run(at(500));
  SUBCASE("the first hears it again") { four.on_heard(at(700), node_id(1)); }
  SUBCASE("the first was away itself") { four.on_stall(at(700)); }
  group.run(at(700));
  successor.on_silent(at(1500), node_id(1));
  group.run(at(1500));
  CHECK(successor.phase() == Migration::Phase::doubting);
  CHECK(group.begun.empty());
}

TEST_CASE("a successor that hears nothing waits for another's word") {
  Group group(5);
  group.machines.at(node_id(2)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.begun.empty());
  group.machines.at(node_id(5)).on_silent(at(550), node_id(1));
  group.run(at(550));
  group.pass_time(at(550) + word_wait_min);  // the others listen for it, and hear nothing
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(2));
}

TEST_CASE("the last one left takes over at once") {
  Group group(2);
  group.machines.erase(node_id(1));
  group.machines.at(node_id(2)).on_silent(at(500), node_id(1));
  group.run(at(500));
  group.pass_time(at(500));
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].second.survivors.empty());
}

TEST_CASE("with the successor dead too the next one begins") {
  Group group(5);
  group.machines.erase(node_id(1));
  group.machines.erase(node_id(2));
  for (uint8_t i = 3; i <= 5; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.begun.empty());
  for (uint8_t i = 3; i <= 5; ++i) group.machines.at(node_id(i)).on_silent(at(800), node_id(2));
  group.run(at(800));
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(3));
  CHECK(group.begun[0].second.survivors.size() == 2);
}

TEST_CASE("a gatherer that dies before it begins is followed by the next") {
  Group group(4);
  group.machines.erase(node_id(1));
  for (uint8_t i = 3; i <= 4; ++i) {
    group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
    group.machines.at(node_id(i))
        .on_gather(at(510), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  }
  group.machines.erase(node_id(2));
  group.run(at(510));
  CHECK(group.begun.empty());
  group.pass_time(at(510) + begin_wait);
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(3));
  CHECK(group.begun[0].second.epoch == Epoch{3});  // above what the dead one had begun to gather
}

TEST_CASE("a survivor that does not answer is waited for only so long") {
  Group group(4);
  group.machines.erase(node_id(1));
  group.machines.erase(node_id(4));
  for (uint8_t i = 2; i <= 3; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.begun.empty());
  group.pass_time(at(500) + gather_wait);
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].second.survivors.size() == 1);
}

TEST_CASE("what another survivor delivered is fetched before the view begins") {
  Group group(4);
  group.machines.erase(node_id(1));
  group.held = {{node_id(2), {5}}, {node_id(3), {8}}, {node_id(4), {7}}};
  for (uint8_t i = 2; i <= 4; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.begun.empty());
  REQUIRE(group.wants.size() == 1);
  CHECK(group.wants[0].second.to == node_id(3));
  CHECK(group.wants[0].second.message.from == Seq{6});
  CHECK(group.wants[0].second.message.to == Seq{8});
  Migration& successor = group.machines.at(node_id(2));
  successor.on_filled(at(510), {7});
  group.run(at(510));
  CHECK(group.begun.empty());
  successor.on_filled(at(511), {8});
  group.run(at(511));
  CHECK(group.begun.size() == 1);
}

TEST_CASE("a survivor that does not send what it has is given up for the next best") {
  Group group(4);
  group.machines.erase(node_id(1));
  group.held = {{node_id(2), {5}}, {node_id(3), {8}}, {node_id(4), {7}}};
  for (uint8_t i = 2; i <= 4; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  group.pass_time(at(500) + begin_wait / 2);
  REQUIRE(group.wants.size() == 2);
  CHECK(group.wants[1].second.to == node_id(4));
}

TEST_CASE("a hand-over needs no silence and keeps the old supernode as a survivor") {
  Group group(4);
  const SupernodeClose scls{{2}, node_id(3), {}, CloseReason::handover, {0}};
  for (auto& [id, machine] : group.machines) machine.on_close(at(100), scls);
  group.run(at(100));
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(3));
  CHECK(group.begun[0].second.survivors.contains(node_id(1)));
  CHECK(group.begun[0].second.survivors.size() == 3);
}

TEST_CASE("a supernode whose successor does not take over gathers its members itself") {
  Group group(3);
  const SupernodeClose scls{{2}, node_id(2), {}, CloseReason::handover, {0}};
  for (const uint8_t number : {uint8_t{1}, uint8_t{3}}) {
    group.machines.at(node_id(number)).on_close(at(10), scls);
  }
  group.machines.erase(node_id(2));
  group.run(at(10));
  group.pass_time(at(1000));
  CHECK(group.begun.empty());
  group.pass_time(at(1600));
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].first == node_id(1));
  CHECK(group.begun[0].second.epoch == Epoch{3});
  CHECK(group.begun[0].second.survivors.contains(node_id(3)));
}

TEST_CASE("of two who gather at once the one with the higher (epoch, id) is followed") {
  Migration four(node_id(4));
  four.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3), node_id(4)});
  four.on_silent(at(500), node_id(1));
  four.on_gather(at(500), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  CHECK(four.awaited() == node_id(2));
  four.on_gather(at(501), node_id(3), {{2}, node_id(3), CloseReason::lost}, word_wait_min);
  CHECK(four.awaited() == node_id(3));
  four.on_gather(at(502), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  CHECK(four.awaited() == node_id(3));
  four.on_gather(at(503), node_id(2), {{3}, node_id(2), CloseReason::lost}, word_wait_min);
  CHECK(four.awaited() == node_id(2));
}

TEST_CASE("a gatherer gives way to a higher one") {
  Migration two(node_id(2));
  two.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3), node_id(4)});
  two.on_silent(at(500), node_id(1));
  two.on_suspect(at(500), node_id(4), {{1}, {node_id(1)}});
  CHECK(two.phase() == Migration::Phase::gathering);
  two.on_gather(at(510), node_id(3), {{2}, node_id(3), CloseReason::lost}, word_wait_min);
  CHECK(two.phase() == Migration::Phase::following);
  CHECK(two.awaited() == node_id(3));
}

TEST_CASE("museum: who hears its supernode is not gathered away from it (gossip seeds)") {
  Migration three(node_id(3));
  three.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3)});
  for (const CloseReason reason : {CloseReason::lost, CloseReason::left, CloseReason::handover}) {
    three.on_gather(at(500), node_id(2), {{2}, node_id(2), reason}, word_wait_min);
    CHECK(three.is_steady());
    const auto action = three.poll_action();
    REQUIRE(action);
    CHECK(std::holds_alternative<Migration::AskWord>(*action));
    three.on_word(at(499));  // an old word says nothing
    CHECK(three.next_timeout() == at(500) + word_wait_min);
    three.on_word(at(501));
    CHECK(three.next_timeout() == mrt::never);
    three.on_timeout(at(600), {0});
    CHECK(three.is_steady());
    CHECK_FALSE(three.poll_action());
  }
}

TEST_CASE("a word has the time for its way there and back, and for being kept back") {
  for (const int rtt : {0, 1, 30, 100, 300}) {
    const auto there_and_back = std::chrono::milliseconds(rtt);
    CHECK(word_wait(there_and_back) > there_and_back + std::chrono::milliseconds(25));
    CHECK(there_and_back + word_wait(there_and_back) < gather_wait);
  }
}

TEST_CASE("who is gathered and hears no word of its supernode follows") {
  Migration three(node_id(3));
  three.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3)});
  three.on_gather(at(500), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  three.on_timeout(at(500) + word_wait_min, {0});
  CHECK(three.awaited() == node_id(2));

  Migration other(node_id(3));
  other.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3)});
  other.on_gather(at(500), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  other.on_silent(at(501), node_id(1));  // it was about to notice by itself
  CHECK(other.awaited() == node_id(2));
}

TEST_CASE("who was gathered in vain and hears its supernode again has to come in there anew") {
  Migration member(node_id(3));
  member.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(4), node_id(3)});
  member.on_silent(at(1000), node_id(1));
  CHECK_FALSE(member.has_parted());  // it only doubts
  SUBCASE("as others began without it") {
    member.on_gather(at(1000), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
    CHECK(member.has_parted());
    member.on_timeout(at(1000) + begin_wait, {});  // it did not begin
    CHECK(member.phase() == Migration::Phase::doubting);
    while (member.poll_action()) {
    }
    member.on_heard(at(3000), node_id(1));
    CHECK(member.has_parted());
    CHECK_FALSE(member.is_steady());
    const auto action = member.poll_action();
    REQUIRE(action);
    CHECK(std::holds_alternative<Migration::Rejoin>(*action));
    member.on_stall(at(3100));
    CHECK_FALSE(member.is_steady());
    member.on_view(at(3200), {1}, {node_id(1), node_id(2), node_id(4), node_id(3)});
    CHECK_FALSE(member.has_parted());
  }
  SUBCASE("unless nobody gathered it") {
    member.on_heard(at(1100), node_id(1));
    CHECK(member.is_steady());
  }
}

TEST_CASE("whom nobody follows goes back to the supernode where it hears it again, else on alone") {
  Group group(4);
  Migration& two = group.machines.at(node_id(2));
  two.on_suspect(at(100), node_id(4), {{1}, {node_id(1)}});
  two.on_silent(at(200), node_id(1));
  group.run(at(200));
  REQUIRE(two.phase() == Migration::Phase::gathering);
  for (const NodeId& stays : {node_id(3), node_id(4)}) group.machines.at(stays).on_word(at(210));
  group.rejoins.clear();
  SUBCASE("the first") {
    two.on_heard(at(400), node_id(1));
    group.pass_time(at(900));
    CHECK(group.begun.empty());
    CHECK(group.rejoins == std::vector<NodeId>{node_id(2)});
    CHECK(two.awaited() == node_id(1));
    CHECK(two.has_parted());  // it missed what was said meanwhile
  }
  SUBCASE("the second") {
    group.pass_time(at(900));
    REQUIRE(group.begun.size() == 1);
    CHECK(group.begun[0].second.survivors.empty());
  }
}

TEST_CASE("a supernode follows nobody who gathers its members") {
  Migration one(node_id(1));
  one.on_view(at(0), {1}, {node_id(1), node_id(2), node_id(3)});
  one.on_gather(at(500), node_id(2), {{2}, node_id(2), CloseReason::lost}, word_wait_min);
  CHECK(one.next_timeout() == mrt::never);
  for (uint8_t i = 2; i <= 3; ++i) one.on_suspect(at(500), node_id(i), {{1}, {node_id(1)}});
  CHECK(one.is_steady());
  CHECK_FALSE(one.poll_action());
}

TEST_CASE("museum: one liar declares nobody dead, however small the star (gossip seeds)") {
  for (uint8_t members = 2; members <= 6; ++members) {
    Group group(members);
    Migration& successor = group.machines.at(node_id(2));
    const NodeId liar = node_id(members == 2 ? 2 : members);
    for (int i = 0; i < 3; ++i) {
      successor.on_suspect(at(500), liar, {{1}, {node_id(1)}});
      if (members > 3)
        group.machines.at(node_id(3)).on_suspect(at(500), liar, {{1}, {node_id(1), node_id(2)}});
    }
    group.run(at(500));
    CHECK(group.begun.empty());
    for (auto& [id, machine] : group.machines) CHECK(machine.is_steady());
  }
}

TEST_CASE("what was said of a node long ago counts no more") {
  Group group(5);
  Migration& successor = group.machines.at(node_id(2));
  successor.on_suspect(at(500), node_id(4), {{1}, {node_id(1)}});
  successor.on_silent(at(500) + suspect_time, node_id(1));
  group.run(at(500) + suspect_time);
  CHECK(group.begun.empty());
}

TEST_CASE("a survivor that claims more than anybody can hold is not asked for it") {
  Group group(4);
  group.machines.erase(node_id(1));
  group.held = {{node_id(2), {5}}, {node_id(3), {seq_max}}, {node_id(4), {7}}};
  for (uint8_t i = 2; i <= 4; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  REQUIRE(group.wants.size() == 1);
  CHECK(group.wants[0].second.to == node_id(4));
  CHECK(group.machines.at(node_id(2)).filled_from() == node_id(4));
  CHECK(group.machines.at(node_id(2)).filled_to() == Seq{7});
}

TEST_CASE("a survivor whose places do not join up with the successor's is not taken along") {
  Group group(4);
  group.machines.erase(node_id(1));
  group.held = {{node_id(2), {5}}, {node_id(3), {9}}, {node_id(4), {5}}};
  group.held_from[node_id(3)] = {9};  // it came in behind 8
  for (uint8_t i = 2; i <= 4; ++i) group.machines.at(node_id(i)).on_silent(at(500), node_id(1));
  group.run(at(500));
  CHECK(group.wants.empty());
  REQUIRE(group.begun.size() == 1);
  CHECK(group.begun[0].second.survivors.size() == 1);
  CHECK(group.begun[0].second.survivors.contains(node_id(4)));
}

TEST_CASE("an old epoch's gathering is nobody's business") {
  Group group(3);
  group.machines.at(node_id(3))
      .on_gather(at(10), node_id(2), {{1}, node_id(2), CloseReason::lost}, word_wait_min);
  CHECK(group.machines.at(node_id(3)).is_steady());
}

TEST_CASE("one who was frozen doubts itself first") {
  Group group(3);
  Migration& three = group.machines.at(node_id(3));
  three.on_silent(at(500), node_id(1));
  CHECK(three.phase() == Migration::Phase::doubting);
  three.on_stall(at(5000));
  CHECK(three.is_steady());
}

TEST_CASE("who never came into a view leads none of those who did: they go on with the next") {
  const NodeId supernode = node_id(1), first = node_id(2), self = node_id(3), other = node_id(4);
  Migration machine(self);
  machine.on_view(at(0), {1}, {supernode, first, self, other});
  machine.on_silent(at(0), supernode);
  machine.on_gather(at(1), first, {{2}, first, CloseReason::lost}, word_wait_min);
  machine.on_silent(at(300), first);  // its Welcome was lost
  machine.on_suspect(at(300), other, {{1}, {supernode, first}});
  REQUIRE(machine.phase() == Migration::Phase::gathering);
  Epoch next;
  while (const auto action = machine.poll_action()) {
    if (const auto* gather = std::get_if<Migration::SendGather>(&*action))
      next = gather->message.epoch;
  }
  REQUIRE(next == Epoch{3});
  machine.on_survivor(at(301), other, {next, {2}, first, {}, {7}, {1}}, {5});
  std::set<NodeId> released;
  while (const auto action = machine.poll_action()) {
    CHECK_FALSE(std::holds_alternative<Migration::Begin>(*action));
    if (const auto* one = std::get_if<Migration::Release>(&*action)) released = one->survivors;
  }
  CHECK(released == std::set{other});
  CHECK(machine.next_timeout() < mrt::never);
}
