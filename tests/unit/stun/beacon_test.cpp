// SPDX-License-Identifier: MIT
#include "stun/beacon.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "support/vectors.h"

using namespace std::chrono_literals;
using namespace stun;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;

namespace {

const Instant start{100s};

Address at(const char* text) { return *Address::parse(text); }

const BeaconLink on_host{at("127.0.0.1:40001"), 8};
const BeaconLink on_lan{at("192.168.7.5:40002"), 24};
const BeaconLink on_lan6{at("[fd00:7::5]:40003"), 64};
const Address other = at("192.168.7.9:50000");

struct Said {
  mrt::Path path;
  Bytes bytes;
};

std::vector<Said> drain(Beacon& beacon, Instant now) {
  std::vector<Said> out;
  Bytes buffer(2'000);
  while (const auto batch = beacon.poll_transmit(now, buffer)) {
    out.push_back(
        {batch->path, Bytes(buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(batch->size))});
  }
  CHECK(beacon.is_consistent());
  return out;
}

void hear(Beacon& beacon, Instant now, const Address& from, Bytes bytes) {
  beacon.on_datagrams(now, {{}, from}, mrt::Ecn::not_ect, bytes.size(), bytes);
  CHECK(beacon.is_consistent());
}

BeaconMessage question(uint8_t salt = 1, std::string_view network = "lab") {
  BeaconMessage out;
  out.nonce.fill(salt);
  out.mark = beacon_mark(BeaconKind::ask, network, out.nonce);
  return out;
}

BeaconMessage answer_to(const BeaconMessage& asked, uint16_t port,
                        std::string_view network = "lab") {
  BeaconMessage out{BeaconKind::answer, asked.nonce, {}, port};
  out.mark = beacon_mark(BeaconKind::answer, network, asked.nonce);
  return out;
}

Beacon beacon(std::vector<BeaconLink> links = {on_host, on_lan, on_lan6}) {
  return Beacon(std::move(links), mrt::seed_from(1));
}

/// A node at port 7777 of every address, of network "lab".
Beacon answering(size_t rank = 0) {
  Beacon out = beacon();
  out.answer_for(Answering{"lab", {at("0.0.0.0:7777"), at("[::]:7777")}, rank});
  return out;
}

/// What it asks first.
BeaconMessage asks(Beacon& asking, Instant now = start) {
  asking.ask(now, "lab");
  const auto said = drain(asking, now);
  REQUIRE(!said.empty());
  const auto message = parse_beacon(said.front().bytes);
  REQUIRE(message);
  return *message;
}

}  // namespace

TEST_CASE("beacons read and write the document's vectors") {
  const auto vectors = mrt::test::read_vectors();
  const BeaconMessage asked = question(0xa5);
  CHECK(mrt::to_hex(write_beacon(asked)) == mrt::to_hex(vectors.at("beacon-ask").bytes));
  CHECK(parse_beacon(vectors.at("beacon-ask").bytes) == asked);
  const BeaconMessage answer = answer_to(asked, 7777);
  CHECK(mrt::to_hex(write_beacon(answer)) == mrt::to_hex(vectors.at("beacon-answer").bytes));
  CHECK(parse_beacon(vectors.at("beacon-answer").bytes) == answer);
  CHECK(write_beacon(answer).size() == write_beacon(asked).size());
}

TEST_CASE("what is cut, longer or spelt in another way is no beacon") {
  const Bytes good = write_beacon(answer_to(question(), 7777));
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK(!parse_beacon(mrt::ByteView(good).first(size)));
  }
  Bytes longer = good;
  longer.push_back(0);
  CHECK(!parse_beacon(longer));
  for (const size_t changed : {0u, 1u}) {
    Bytes bad = good;
    bad[changed] ^= 0x10;
    CHECK(!parse_beacon(bad));
  }
  BeaconMessage nowhere = answer_to(question(), 0);
  CHECK(!parse_beacon(write_beacon(nowhere)));
  BeaconMessage with_port = question();
  with_port.port = 1;
  CHECK(!parse_beacon(write_beacon(with_port)));
}

TEST_CASE("each link is asked, and nothing says the network's name") {
  Beacon asking = beacon();
  asking.ask(start, "lab");
  const auto said = drain(asking, start);
  REQUIRE(said.size() == 3);
  CHECK(said[0].path == mrt::Path{on_host.own, beacon_group(true)});
  CHECK(said[1].path == mrt::Path{on_lan.own, beacon_group(true)});
  CHECK(said[2].path == mrt::Path{on_lan6.own, beacon_group(false)});
  CHECK(std::string(mrt::as_text(said[0].bytes)).find("lab") == std::string::npos);
  // Another question has other bytes throughout: two of them say nothing of each other.
  const Bytes before = said[0].bytes;
  asking.ask(start, "lab");
  const auto again = parse_beacon(drain(asking, start).at(0).bytes);
  CHECK(again->nonce != parse_beacon(before)->nonce);
  CHECK(again->mark != parse_beacon(before)->mark);
}

TEST_CASE("nobody speaks unasked") {
  Beacon silent = answering();
  CHECK(silent.next_timeout() == mrt::never);
  CHECK(drain(silent, start).empty());
  hear(silent, start, other, write_beacon(question(1, "another")));
  hear(silent, start, other, write_beacon(answer_to(question(), 7777)));
  hear(silent, start, other, {0xe0, 1, 2, 3});
  CHECK(silent.next_timeout() == mrt::never);
  CHECK(drain(silent, start).empty());
  CHECK(silent.stats().unasked == 1);
  CHECK(silent.stats().malformed == 1);
  // Nor does who is in no star any more.
  silent.answer_for(std::nullopt);
  hear(silent, start, other, write_beacon(question()));
  CHECK(drain(silent, start).empty());
}

TEST_CASE("the supernode answers at once, from the link that it was asked on") {
  Beacon supernode = answering();
  hear(supernode, start, other, write_beacon(question()));
  hear(supernode, start, at("127.0.0.1:50001"), write_beacon(question(2)));
  hear(supernode, start, at("[fd00:7::9]:50002"), write_beacon(question(3)));
  const auto said = drain(supernode, start);
  REQUIRE(said.size() == 3);
  CHECK(said[0].path == mrt::Path{on_lan.own, other});
  CHECK(said[1].path == mrt::Path{on_host.own, at("127.0.0.1:50001")});
  CHECK(said[2].path == mrt::Path{on_lan6.own, at("[fd00:7::9]:50002")});
  CHECK(parse_beacon(said[0].bytes) == answer_to(question(), 7777));
}

TEST_CASE("members answer after the supernode, one after the other") {
  Instant last = start;
  for (const size_t rank : {1u, 2u, 30u, 5'000u}) {
    Beacon member = answering(rank);
    hear(member, start, other, write_beacon(question()));
    CHECK(drain(member, start).empty());
    const Instant due = member.next_timeout();
    CHECK(due > last);
    CHECK(due < start + ask_time - ask_interval);
    last = due;
    member.on_timeout(due);
    CHECK(drain(member, due).size() == 1);
    CHECK(member.next_timeout() == mrt::never);
  }
}

TEST_CASE("a node answers only where its sockets are") {
  Beacon bound = beacon();
  bound.answer_for(Answering{"lab", {at("192.168.7.5:7700")}, 0});
  hear(bound, start, at("127.0.0.1:50001"), write_beacon(question()));
  hear(bound, start, at("[fd00:7::9]:50002"), write_beacon(question()));
  CHECK(drain(bound, start).empty());
  hear(bound, start, other, write_beacon(question()));
  CHECK(drain(bound, start).size() == 1);
}

TEST_CASE("an answer leads to the port that it says, at the address that it comes from") {
  Beacon asking = beacon();
  const BeaconMessage asked = asks(asking);
  hear(asking, start + 1ms, other, write_beacon(answer_to(asked, 7777)));
  hear(asking, start + 2ms, at("127.0.0.1:50001"), write_beacon(answer_to(asked, 8888)));
  // Others may be on their way, and who has been answered asks no more.
  CHECK(!asking.poll_event());
  CHECK(asking.next_timeout() == start + 1ms + gather_time);
  asking.on_timeout(start + 1ms + gather_time);
  CHECK(drain(asking, start + 1ms + gather_time).empty());
  const auto found = asking.poll_event();
  REQUIRE(found);
  CHECK(found->addresses == std::vector{at("127.0.0.1:8888"), at("192.168.7.9:7777")});
  CHECK(asking.next_timeout() == mrt::never);
  // It is over.
  hear(asking, start + 30ms, other, write_beacon(answer_to(asked, 7778)));
  CHECK(asking.stats().unasked == 1);
  CHECK(!asking.poll_event());
}

TEST_CASE(
    "where nobody answers it is asked three times, and a quarter of a second is all it takes") {
  Beacon asking = beacon();
  asking.ask(start, "lab");
  size_t said = drain(asking, start).size();
  Instant now = start;
  while (asking.next_timeout() != mrt::never) {
    REQUIRE(asking.next_timeout() > now);
    now = asking.next_timeout();
    asking.on_timeout(now);
    said += drain(asking, now).size();
  }
  CHECK(said == 9);
  CHECK(now == start + ask_time);
  const auto found = asking.poll_event();
  REQUIRE(found);
  CHECK(found->addresses.empty());
}

TEST_CASE("who has been answered asks no more") {
  Beacon asking = beacon();
  const BeaconMessage asked = asks(asking);
  drain(asking, start);
  const Instant late = start + ask_interval - 10ms;
  hear(asking, late, other, write_beacon(answer_to(asked, 7777)));
  CHECK(asking.next_timeout() == late + gather_time);
  asking.on_timeout(start + ask_interval);
  CHECK(drain(asking, start + ask_interval).empty());
}

TEST_CASE("without a link the answer is that there is nobody, at once") {
  Beacon asking = beacon({});
  asking.ask(start, "lab");
  const auto found = asking.poll_event();
  REQUIRE(found);
  CHECK(found->addresses.empty());
}

TEST_CASE("two stars of one name are both found") {
  Beacon asking = beacon();
  const BeaconMessage asked = asks(asking);
  for (const uint16_t port : {uint16_t{1001}, uint16_t{1002}}) {
    hear(asking, start, at("127.0.0.1:50001"), write_beacon(answer_to(asked, port)));
    hear(asking, start, other, write_beacon(answer_to(asked, port)));
    hear(asking, start, other, write_beacon(answer_to(asked, port)));
  }
  asking.on_timeout(start + gather_time);
  CHECK(asking.poll_event()->addresses.size() == 4);
}

TEST_CASE("an answer without the question's nonce and the network's name is none") {
  Beacon asking = beacon();
  const BeaconMessage asked = asks(asking);
  hear(asking, start, other, write_beacon(answer_to(question(9), 7777)));
  hear(asking, start, other, write_beacon(answer_to(asked, 7777, "another")));
  BeaconMessage echoed = asked;
  echoed.kind = BeaconKind::answer;
  echoed.port = 7777;
  hear(asking, start, other, write_beacon(echoed));
  CHECK(asking.stats().unasked == 3);
  asking.on_timeout(start + ask_time);
  CHECK(asking.poll_event()->addresses.empty());
}

TEST_CASE("only neighbours are heard, and nobody from afar speaks for this host") {
  Beacon both = answering();
  for (const char* far :
       {"192.168.8.9:50000", "203.0.113.9:50000", "[fd00:8::9]:50000", "[::1]:50000",
        "224.0.0.1:50000", "255.255.255.255:50000", "192.168.7.9:0"}) {
    CAPTURE(far);
    hear(both, start, at(far), write_beacon(question()));
    CHECK(drain(both, start).empty());
    const BeaconMessage asked = asks(both);
    hear(both, start, at(far), write_beacon(answer_to(asked, 7777)));
    both.on_timeout(start + ask_time);
    CHECK(both.poll_event()->addresses.empty());
    drain(both, start);
  }
  CHECK(both.stats().strangers == 14);
  // Without a link on loopback nothing from there counts either.
  Beacon lan = beacon({on_lan});
  const BeaconMessage asked = asks(lan);
  hear(lan, start, at("127.0.0.1:50001"), write_beacon(answer_to(asked, 7777)));
  CHECK(lan.stats().strangers == 1);
}

TEST_CASE("prefixes of any length say who is on a link") {
  const BeaconLink odd{at("10.1.130.1:1"), 19};
  CHECK(is_on_link(odd, at("10.1.128.9:1")));
  CHECK(is_on_link(odd, at("10.1.159.255:1")));
  CHECK(!is_on_link(odd, at("10.1.160.0:1")));
  const BeaconLink point{at("10.1.130.1:1"), 32};
  CHECK(is_on_link(point, at("10.1.130.1:9")));
  CHECK(!is_on_link(point, at("10.1.130.2:9")));
  const BeaconLink wide{at("[fd00:7::5]:1"), 200};
  CHECK(is_on_link(wide, at("[fd00:7::5]:9")));
  CHECK(!is_on_link(wide, at("[fd00:7::6]:9")));
}

TEST_CASE("one's own question is not answered") {
  Beacon both = answering();
  const BeaconMessage asked = asks(both);
  hear(both, start, on_lan.own, write_beacon(asked));
  CHECK(drain(both, start).empty());
}

TEST_CASE("a crowd of hostile answers is bounded, and pushes few out") {
  Beacon asking = beacon();
  const BeaconMessage asked = asks(asking);
  for (uint16_t port = 1; port < 200; ++port) {
    hear(asking, start, other, write_beacon(answer_to(asked, port)));
  }
  hear(asking, start, at("192.168.7.10:50000"), write_beacon(answer_to(asked, 7777)));
  for (uint8_t host = 20; host < 220; ++host) {
    hear(asking, start, Address::v4(192, 168, 7, host, 1), write_beacon(answer_to(asked, 1)));
  }
  asking.on_timeout(start + gather_time);
  const auto found = asking.poll_event();
  REQUIRE(found);
  CHECK(found->addresses.size() == Beacon::candidates_max);
  CHECK(std::count_if(found->addresses.begin(), found->addresses.end(), [](const Address& one) {
          return one.ip == other.ip;
        }) == Beacon::candidates_of_one);
  CHECK(std::count(found->addresses.begin(), found->addresses.end(), at("192.168.7.10:7777")) == 1);
}

TEST_CASE("one asker gets so many answers a second, all together so many") {
  Beacon supernode = answering();
  int64_t answered = 0;
  for (int i = 0; i < 1'000; ++i) {
    hear(supernode, start, other, write_beacon(question(static_cast<uint8_t>(i))));
    answered += static_cast<int64_t>(drain(supernode, start).size());
  }
  CHECK(answered == beacon_answers_per_place_burst);
  // Another is still answered, until all have had theirs.
  for (uint8_t host = 10; host < 200; ++host) {
    for (uint8_t i = 0; i < 10; ++i) {
      hear(supernode, start, Address::v4(192, 168, 7, host, 1), write_beacon(question(i)));
      answered += static_cast<int64_t>(drain(supernode, start).size());
    }
  }
  CHECK(answered == beacon_answers_burst);
  CHECK(supernode.stats().withheld == 1'000 + 1'900 - static_cast<uint64_t>(answered));
  hear(supernode, start + 1s, other, write_beacon(question()));
  CHECK(drain(supernode, start + 1s).size() == 1);
}

TEST_CASE("answers that wait are bounded") {
  Beacon member = answering(50);
  for (uint8_t host = 0; host < 250; ++host) {
    for (uint8_t i = 0; i < 3; ++i) {
      hear(member, start, Address::v4(192, 168, 7, host, 1), write_beacon(question(i)));
    }
  }
  const Instant later = start + ask_time;
  member.on_timeout(later);
  CHECK(drain(member, later).size() == Beacon::outbox_max);
}
