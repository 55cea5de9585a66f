// SPDX-License-Identifier: MIT
#include "stun/rendezvous_wire.h"

#include <doctest/doctest.h>

#include "mrt/base/random.h"
#include "stun/rendezvous_key.h"
#include "support/vectors.h"

using namespace stun;
using mrt::Address;
using mrt::Bytes;
using mrt::ByteView;

namespace {

template <class T>
T from_meaning(const mrt::test::Vector& vector, const std::string& key) {
  const auto bytes = mrt::from_hex(vector.meaning.at(key));
  T out{};
  REQUIRE(bytes->size() == out.size());
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

uint64_t number(const mrt::test::Vector& vector, const std::string& key) {
  return std::stoull(vector.meaning.at(key));
}

std::vector<Address> addresses(const mrt::test::Vector& vector, const std::string& key) {
  std::vector<Address> out;
  std::string_view text = vector.meaning.at(key);
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    out.push_back(*Address::parse(text.substr(0, end)));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return out;
}

const std::map<std::string, mrt::test::Vector>& vectors() {
  static const auto all = mrt::test::read_vectors();
  return all;
}

void check_vector(const std::string& name, const RendezvousMessage& message) {
  CAPTURE(name);
  const mrt::test::Vector& vector = vectors().at(name);
  CHECK(mrt::to_hex(write_rendezvous(message)) == mrt::to_hex(vector.bytes));
  const auto parsed = parse_rendezvous(vector.bytes);
  REQUIRE(parsed);
  CHECK(*parsed == message);
}

std::vector<Address> some_addresses(mrt::Random& random, size_t count_max) {
  std::vector<Address> out(random.below(count_max + 1));
  for (Address& address : out) {
    if (random.chance(0.5)) {
      address = Address::v4(192, 0, 2, static_cast<uint8_t>(random.u64()), 0);
    } else {
      address.ip = random.array<16>();
    }
    address.port = static_cast<uint16_t>(random.u64());
  }
  return out;
}

RendezvousMessage some_message(mrt::Random& random) {
  const uint64_t transaction = random.u64();
  const auto seen = [&] {
    return Address::v4(203, 0, 113, 9, static_cast<uint16_t>(random.u64()));
  };
  switch (random.below(8)) {
    case 0: {
      Find find{transaction, random.chance(0.5), {}, random.array<32>(), {}};
      if (random.chance(0.5)) find.cookie = random.array<16>();
      find.symmetric = random.chance(0.5);
      find.told = some_addresses(random, told_by_looker_max);
      return find;
    }
    case 1: {
      Found found{transaction, seen(), {}};
      found.supernodes.resize(random.below(supernodes_max + 1));
      for (Whereabouts& one : found.supernodes) {
        one.node = random.array<16>();
        one.epoch = random.u64();
        if (random.chance(0.5)) one.seen = seen();
        one.told = some_addresses(random, told_max);
        one.symmetric = random.chance(0.5);
      }
      return found;
    }
    case 2:
      return CookieGiven{transaction, random.array<16>()};
    case 3: {
      Registration out;
      out.transaction = transaction;
      if (random.chance(0.5)) out.cookie = random.array<16>();
      out.symmetric = random.chance(0.5);
      out.id = random.array<32>();
      out.node = random.array<16>();
      out.epoch = random.u64();
      out.sequence = random.u64();
      out.life_seconds = static_cast<uint16_t>(1 + random.below(65'535));
      out.told = some_addresses(random, told_max);
      out.signature = random.array<64>();
      return out;
    }
    case 4:
      return Registered{transaction, random.u64(), static_cast<uint16_t>(random.u64()), seen()};
    case 5:
      return Keep{transaction, random.array<32>(), random.array<16>(), random.chance(0.5)};
    case 6:
      return Refusal{transaction, static_cast<RefusalCode>(1 + random.below(4))};
    default:
      return Introduction{transaction, seen(), some_addresses(random, told_by_looker_max),
                          random.chance(0.5)};
  }
}

Registration signed_registration(const RendezvousKey& key) {
  Registration out;
  out.transaction = 7;
  out.cookie = RendezvousCookie{1, 2, 3};
  out.epoch = 3;
  out.sequence = 1;
  out.life_seconds = 60;
  out.told = {Address::v4(10, 0, 0, 1, 7700)};
  key.sign(out);
  return out;
}

}  // namespace

TEST_CASE("rendezvous messages are what the document says") {
  {
    const auto& vector = vectors().at("rendezvous-find");
    Find find{number(vector, "transaction"), true, {}, {}, addresses(vector, "told")};
    find.cookie = from_meaning<RendezvousCookie>(vector, "cookie");
    find.id = from_meaning<LookUpId>(vector, "id");
    check_vector("rendezvous-find", find);
  }
  {
    const auto& vector = vectors().at("rendezvous-found");
    Found found{number(vector, "transaction"), addresses(vector, "seen")[0], {}};
    found.supernodes.push_back({from_meaning<NodeTag>(vector, "node"), number(vector, "epoch"),
                                addresses(vector, "node_seen")[0], addresses(vector, "node_told"),
                                true});
    check_vector("rendezvous-found", found);
  }
  {
    const auto& vector = vectors().at("rendezvous-cookie");
    check_vector("rendezvous-cookie",
                 CookieGiven{number(vector, "transaction"),
                             from_meaning<RendezvousCookie>(vector, "cookie")});
  }
  {
    const auto& vector = vectors().at("rendezvous-registered");
    check_vector(
        "rendezvous-registered",
        Registered{number(vector, "transaction"), number(vector, "sequence"),
                   static_cast<uint16_t>(number(vector, "life")), addresses(vector, "seen")[0]});
  }
  {
    const auto& vector = vectors().at("rendezvous-keep");
    check_vector("rendezvous-keep",
                 Keep{number(vector, "transaction"), from_meaning<LookUpId>(vector, "id"),
                      from_meaning<NodeTag>(vector, "node"), true});
  }
  {
    const auto& vector = vectors().at("rendezvous-refusal");
    check_vector("rendezvous-refusal", Refusal{number(vector, "transaction"),
                                               static_cast<RefusalCode>(number(vector, "code"))});
  }
  {
    const auto& vector = vectors().at("rendezvous-introduction");
    check_vector("rendezvous-introduction",
                 Introduction{number(vector, "transaction"), addresses(vector, "seen")[0],
                              addresses(vector, "told")});
  }
}

TEST_CASE("a registration is signed as the document says") {
  const auto& vector = vectors().at("rendezvous-registration");
  const RendezvousKey key(secret_rendezvous_seed(vector.meaning.at("network"),
                                                 *mrt::from_hex(vector.meaning.at("secret"))));
  Registration registration;
  registration.transaction = number(vector, "transaction");
  registration.cookie = from_meaning<RendezvousCookie>(vector, "cookie");
  registration.node = from_meaning<NodeTag>(vector, "node");
  registration.epoch = number(vector, "epoch");
  registration.sequence = number(vector, "sequence");
  registration.life_seconds = static_cast<uint16_t>(number(vector, "life"));
  registration.told = addresses(vector, "told");
  key.sign(registration);
  check_vector("rendezvous-registration", registration);
  CHECK(is_signed_by_its_network(registration));
}

TEST_CASE("every rendezvous message is read back as it was written") {
  mrt::Random random(mrt::seed_from(1));
  for (int i = 0; i < 2'000; ++i) {
    const RendezvousMessage message = some_message(random);
    const Bytes bytes = write_rendezvous(message);
    CHECK(is_rendezvous(bytes[0]));
    const auto parsed = parse_rendezvous(bytes);
    REQUIRE(parsed);
    CHECK(*parsed == message);
  }
}

TEST_CASE("a rendezvous message that was cut, grown or changed is another one or none") {
  mrt::Random random(mrt::seed_from(2));
  for (int i = 0; i < 500; ++i) {
    const Bytes bytes = write_rendezvous(some_message(random));
    for (size_t size = 0; size < bytes.size(); ++size) {
      CHECK_FALSE(parse_rendezvous(ByteView(bytes).first(size)));
    }
    Bytes longer = bytes;
    longer.push_back(0);
    CHECK_FALSE(parse_rendezvous(longer));
    // One spelling each: what is read is written as the same bytes.
    Bytes changed = bytes;
    changed[random.below(changed.size())] ^= static_cast<uint8_t>(1 + random.below(255));
    if (const auto parsed = parse_rendezvous(changed)) CHECK(write_rendezvous(*parsed) == changed);
  }
}

TEST_CASE("no byte of a registration can be changed without breaking its signature") {
  const RendezvousKey key(open_rendezvous_seed("lab"));
  const Bytes bytes = write_rendezvous(signed_registration(key));
  for (size_t i = 0; i < bytes.size(); ++i) {
    CAPTURE(i);
    for (const int bit : {0, 5}) {
      Bytes changed = bytes;
      changed[i] ^= static_cast<uint8_t>(1 << bit);
      const auto parsed = parse_rendezvous(changed);
      const auto* registration = parsed ? std::get_if<Registration>(&*parsed) : nullptr;
      if (registration != nullptr) CHECK_FALSE(is_signed_by_its_network(*registration));
    }
  }
}

TEST_CASE("an answer to who has shown no cookie is shorter than any question") {
  const size_t cookie = write_rendezvous(CookieGiven{}).size();
  CHECK(cookie <= write_rendezvous(Find{}).size());
  CHECK(cookie <= write_rendezvous(Registration{}).size());
  // Keep needs none.
  Address longest;
  longest.ip[0] = 0x20;
  const size_t keep = write_rendezvous(Keep{}).size();
  CHECK(write_rendezvous(Registered{1, 1, 1, longest}).size() <= keep);
  CHECK(write_rendezvous(Refusal{}).size() <= keep);
}

TEST_CASE("an answer at its longest fits into the smallest path that MRT knows") {
  Address longest;
  longest.ip[0] = 0x20;
  Found found{1, longest, {}};
  found.supernodes.resize(supernodes_max);
  for (Whereabouts& one : found.supernodes) one = {{}, 1, longest, {told_max, longest}};
  CHECK(write_rendezvous(found).size() <= 1'200);
}
