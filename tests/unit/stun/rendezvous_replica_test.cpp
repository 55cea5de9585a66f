// SPDX-License-Identifier: MIT
#include "stun/rendezvous_replica.h"

#include "unit/stun/shared_servers.h"

using namespace stun;
using namespace stun::test;

namespace {

const Address supernode = Address::v4(203, 0, 113, 5, 7777);
const Address moved = Address::v4(203, 0, 113, 6, 7777);

Address nth(size_t i) {
  return Address::v4(203, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 1, 7777);
}

std::string text_of(const RendezvousRecord& record) {
  return std::string(mrt::as_text(write_record(record)));
}
const std::string records = "thuban:1:0:records";

}  // namespace

TEST_CASE("what one server takes the others give out, until it is taken back") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(first, 1, supernode);
  world.run(10ms);
  const auto found = world.found(second, 1);
  REQUIRE(found.size() == 1);
  CHECK(found[0] == Whereabouts{{9}, 1, supernode, {Address::v4(10, 0, 0, 1, 7777)}, true});
  CHECK(world.store.keys(world.now).size() == 1);
  CHECK(world.keep(first, 1, supernode, true));
  world.run(10ms);
  CHECK_FALSE(world.finds(second, 1));
  CHECK(world.store.keys(world.now).empty());
}

TEST_CASE("what is kept at one server lives at the others, and ends there when it is not") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(first, 1, supernode);
  for (int i = 0; i < 10; ++i) {
    world.run(20s);
    REQUIRE(world.keep(first, 1, supernode));
    REQUIRE(world.finds(second, 1));
  }
  world.run(59s);
  CHECK(world.finds(second, 1));
  world.run(2s);
  CHECK_FALSE(world.finds(second, 1));
  CHECK(world.store.keys(world.now).empty());
}

TEST_CASE("a server that comes later loads all, in steps and with what is left of their lives") {
  SharedServers world;
  auto& first = world.add_up();
  constexpr size_t count = 300;  // some pages
  for (size_t i = 0; i < count; ++i) world.enrol(first, i, nth(i));
  world.run(20s);
  CHECK(world.store.keys(world.now).size() == count);
  auto& second = world.add_up();
  const Instant begin = world.now;
  while (!second.loaded) {
    REQUIRE(world.now < begin + 1s);
    const uint64_t before = second.service->server().stats().records;
    world.run(RendezvousReplica::step_interval);
    CHECK(second.service->server().stats().records - before <= RendezvousReplica::records_per_step);
  }
  CHECK(second.service->server().table().foreign() == count);
  world.run(38s);
  CHECK(world.finds(second, 7));
  world.run(3s);
  CHECK_FALSE(world.finds(second, 7));
}

TEST_CASE("an introduction goes by the server that the supernode's NAT is open for") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(first, 1, supernode);
  world.run(10ms);
  first.sent.clear();
  CHECK(world.found(second, 1, true).size() == 1);
  for (const auto& [to, said] : second.sent) CHECK(to != supernode);
  world.run(10ms);
  REQUIRE(first.sent.size() == 1);
  CHECK(first.sent[0].first == supernode);
  CHECK(std::get<Introduction>(first.sent[0].second) ==
        Introduction{7, Address::v4(192, 0, 2, 9, 40'000), {}, true});
  // So many at once, whoever asks for them.
  first.sent.clear();
  for (int i = 0; i < 200; ++i) world.found(second, 1, true);
  world.run(20ms);
  CHECK(first.sent.size() <= 100);
  CHECK(first.sent.size() >= 90);
}

TEST_CASE(
    "without the store each goes on with what it has, and tells what it took once it is back") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(first, 1, supernode);
  world.run(10ms);
  world.take_down(first);
  world.take_down(second);
  world.store.values.clear();
  world.enrol(first, 2, nth(2));
  world.enrol(second, 3, nth(3));
  world.run(15s);
  CHECK(world.finds(second, 1));
  CHECK_FALSE(world.finds(second, 2));
  world.bring_up(first);
  world.bring_up(second);
  world.run(100ms);
  for (auto* server : {&first, &second}) {
    for (const size_t network : {1u, 2u, 3u}) CHECK(world.finds(*server, network));
  }
  CHECK(world.store.keys(world.now).size() == 3);
}

TEST_CASE("a server that takes another's place gives its supernodes out until they register") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(first, 1, supernode);
  world.run(10s);
  world.take_down(first);
  // Whoever reads the store knows the address and the transaction, and can say this in its name.
  for (const bool leave : {false, true}) {
    const Keep keep{7, world.key(1).id(), {9}, leave};
    const auto said = world.tell(second, supernode, keep);
    REQUIRE(said.size() == 1);
    CHECK(std::get<Refusal>(said[0]).code == RefusalCode::unknown);
  }
  CHECK(second.service->server().table().foreign() == 1);
  CHECK(world.finds(second, 1));
  world.enrol(second, 1, supernode);
  CHECK(second.service->server().table().foreign() == 0);
  world.run(55s);
  CHECK(world.finds(second, 1));
  CHECK(world.store.keys(world.now).size() == 1);
}

TEST_CASE("a supernode that is at both servers is each one's own") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  auto& third = world.add_up();
  world.enrol(first, 1, supernode, 7);
  world.run(10ms);
  world.enrol(second, 1, supernode, 8);
  for (int i = 0; i < 10; ++i) {
    world.run(20s);
    REQUIRE(world.keep(first, 1, supernode, false, 7));
    REQUIRE(world.keep(second, 1, supernode, false, 8));
    CHECK(world.found(third, 1).size() == 1);
  }
  // One of them is lost: the third follows the other without a gap.
  world.take_down(first);
  for (int i = 0; i < 10; ++i) {
    world.run(20s);
    REQUIRE(world.keep(second, 1, supernode, false, 8));
    CHECK(world.found(third, 1).size() == 1);
  }
}

TEST_CASE("a registration of another server is taken with its network's signature only") {
  SharedServers world;
  auto& first = world.add_up();
  const InstanceId stranger{77};
  RendezvousRecord good{stranger, supernode, 60'000, world.registration(first, 1, supernode)};
  const auto taken = [&](const RendezvousRecord& record) {
    const uint64_t before = first.service->server().stats().records;
    world.publish(records, text_of(record));
    world.run(10ms);
    return first.service->server().stats().records > before;
  };
  RendezvousRecord bad = good;
  bad.registration.told = {Address::v4(10, 0, 0, 2, 7777)};
  CHECK_FALSE(taken(bad));
  bad = good;
  bad.registration.node = {8};
  CHECK_FALSE(taken(bad));
  CHECK(first.service->server().stats().forged == 2);
  for (const Address& seen : {Address::v4(127, 0, 0, 1, 7777), Address::v4(224, 0, 0, 1, 7777),
                              Address::v4(203, 0, 113, 5, 0)}) {
    bad = good;
    bad.seen = seen;
    CHECK_FALSE(taken(bad));
  }
  bad = good;
  bad.home = {1};  // its own
  CHECK_FALSE(taken(bad));
  CHECK(taken(good));
  // What is longer than it may be, or cut, or nothing at all.
  const std::string whole = text_of(good);
  for (size_t size = 0; size < whole.size(); ++size) world.publish(records, whole.substr(0, size));
  world.publish(records, whole + "x");
  world.publish(records, std::string(100'000, '\1'));
  world.run(10ms);
  CHECK(first.service->server().table().entries() == 1);
}

TEST_CASE("nothing that lives here gives way to what the store says") {
  SharedServers world;
  auto& first = world.add_up();
  auto& second = world.add_up();
  world.enrol(second, 1, supernode, 8);
  RendezvousRecord other{{77}, moved, 60'000, world.registration(first, 1, moved, 9)};
  world.publish(records, text_of(other));
  // The same word, as if it had been seen elsewhere; and as if it had been taken back.
  world.run(100ms);
  other.registration = world.registration(second, 1, supernode, 8);
  world.publish(records, text_of(other));
  other.life_ms = 0;
  world.publish(records, text_of(other));
  world.run(100ms);
  CHECK(world.found(second, 1).at(0).seen == supernode);
  // Something newer does, if the network has signed it.
  other.life_ms = 60'000;
  ++other.registration.sequence;
  world.key(1).sign(other.registration);
  world.publish(records, text_of(other));
  world.run(100ms);
  CHECK(world.found(second, 1).at(0).seen == moved);
}

TEST_CASE(
    "what stands in the store is read no further than a record goes, and without an end not") {
  SharedServers world;
  auto& first = world.add();
  world.key(1);
  const std::string key = "thuban:1:" + std::string(97, 'a');
  const RendezvousRecord record{{77}, supernode, 60'000, world.registration(first, 1, supernode)};
  world.store.values[key] = {text_of(record)};
  world.store.values["thuban:1:" + std::string(97, 'b')] = {std::string(1'000'000, '\1'),
                                                            world.now + 60s};
  world.store.values["thuban:1:" + std::string(97, 'c')] = {"", world.now + 60s};
  world.store.values["thuban:1:much" + std::string(9'999, 'c')] = {"", world.now + 60s};
  world.bring_up(first);
  world.run(100ms);
  CHECK(first.loaded);
  CHECK(first.service->server().table().entries() == 0);
  world.take_down(first);
  world.store.values[key].ends_at = world.now + 30s;
  world.bring_up(first);
  world.run(100ms);
  CHECK(first.service->server().table().entries() == 1);
}

TEST_CASE("loopback is told and believed only where the store is on this host") {
  for (const bool near : {false, true}) {
    SharedServers world;
    auto& first = world.add_up(near);
    auto& second = world.add_up(near);
    const Address here = Address::v4(127, 0, 0, 1, 7777);
    world.enrol(first, 1, here);
    world.run(10ms);
    CHECK(world.store.keys(world.now).size() == (near ? 1 : 0));
    CHECK(second.service->server().table().entries() == (near ? 1 : 0));
  }
}

TEST_CASE("a store that refuses is told of once, one that is silent is given up") {
  SharedServers world;
  auto& first = world.add_up();
  world.store.read_only = true;
  for (size_t i = 0; i < 3; ++i) world.enrol(first, i, nth(i));
  world.run(10ms);
  REQUIRE(first.refusals.size() == 1);
  CHECK(first.refusals[0].find("READONLY") != std::string::npos);
  world.run(60s);
  CHECK_FALSE(first.silent);
  first.up = false;  // nothing comes any more
  world.run(RendezvousReplica::silence_max + RendezvousReplica::ping_interval);
  CHECK(first.silent);
}

TEST_CASE("whoever writes in the store takes no room from those that register here") {
  SharedServers world;
  RendezvousTable table;
  for (size_t i = 0; i <= RendezvousTable::foreign_max; ++i) {
    RendezvousTable::Entry entry;
    entry.where.node = {1};
    entry.path.remote = supernode;
    entry.life = 60s;
    entry.ends_at = world.now + 60s;
    entry.foreign = true;
    LookUpId id{};
    for (size_t k = 0; k < 4; ++k) id[k] = static_cast<uint8_t>(i >> (8 * k));
    const auto outcome = table.put(world.now, id, entry);
    if (i < RendezvousTable::foreign_max) {
      REQUIRE(outcome == RendezvousTable::Outcome::taken);
      continue;
    }
    CHECK(outcome != RendezvousTable::Outcome::taken);
    entry.foreign = false;
    CHECK(table.put(world.now, id, entry) == RendezvousTable::Outcome::taken);
  }
  CHECK(table.is_consistent());
}
