// SPDX-License-Identifier: MIT
// What strangers and lying servers say to a client.
#include "stun/rendezvous_client.h"

#include "unit/stun/rendezvous_meeting.h"

using namespace stun;
using namespace stun::test;

TEST_CASE("answers of strangers and guessed ones change nothing and are counted") {
  Meeting meeting;
  Meeting::Member& guest = meeting.add(1);
  guest.client.look_up(meeting.now, {});
  guest.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  const auto events = guest.events.size();
  const Whereabouts trap{{9}, UINT64_MAX, Address::v4(192, 0, 2, 66, 53), {}};
  for (const RendezvousMessage& message : std::vector<RendezvousMessage>{
           Found{1, member_address(1), {trap}}, CookieGiven{1, {}},
           Registered{1, 1, 60, Address::v4(192, 0, 2, 66, 1)}, Refusal{1, RefusalCode::unknown},
           Introduction{1, Address::v4(192, 0, 2, 66, 53), {}}}) {
    for (const Address& from : {server_address(1), server_address(9)}) {
      meeting.deliver({from, member_address(1), write_rendezvous(message)});
    }
  }
  // What clients say is nothing to a client.
  meeting.deliver({server_address(1), member_address(1), write_rendezvous(Find{})});
  meeting.deliver({server_address(1), member_address(1), {0xd1, 1, 2, 3}});
  meeting.settle();
  CHECK(guest.events.size() == events);
  CHECK(guest.client.stats().strangers == 5);
  CHECK(guest.client.stats().unasked == 6);
  CHECK(guest.client.stats().malformed == 1);
}

namespace {

/// Answers each Find as it likes.
struct Liar {
  std::vector<Whereabouts> found;
  Address seen = member_address(2);
  RendezvousMessage answer(const RendezvousMessage& said) const {
    return Found{std::get<Find>(said).transaction, seen, found};
  }
  /// What member 2 says to server 1 reaches this one in its place.
  void stand_in(Meeting& meeting) const {
    meeting.lost = [&meeting, this](const Meeting::Flying& one) {
      if (one.to != server_address(1) || one.from != member_address(2)) return false;
      const auto said = parse_rendezvous(one.bytes);
      meeting.flying.emplace(meeting.now + 50ms,
                             Meeting::Flying{one.to, one.from, write_rendezvous(answer(*said))});
      return true;
    };
  }
};

std::vector<RendezvousMessage> heard_by(RendezvousClient& client, Instant now) {
  std::vector<RendezvousMessage> out;
  Bytes buffer(mrt::batch_bytes_max);
  while (const auto batch = client.poll_transmit(now, buffer)) {
    out.push_back(*parse_rendezvous(mrt::ByteView(buffer).first(batch->size)));
  }
  return out;
}

}  // namespace

TEST_CASE("a lying server leads nobody to where nothing can be, and has its share only") {
  const Address victim = Address::v4(192, 0, 2, 66, 53);
  Meeting meeting(8);
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  // Server 1 names all that it can name.
  Liar liar;
  for (uint8_t i = 0; i < 4; ++i) {
    Whereabouts one{{i}, UINT64_MAX, Address::v4(127, 0, 0, 1, 22), {}};
    one.told = {Address::v4(224, 0, 0, 1, 1), Address::v4(0, 0, 0, 0, 1), member_address(2)};
    for (uint8_t k = 0; k < 5; ++k)
      one.told.push_back(Address::v4(192, 0, 2, 66, static_cast<uint16_t>(100 + i * 5 + k)));
    liar.found.push_back(one);
  }
  liar.stand_in(meeting);
  guest.client.look_up(meeting.now, {});
  meeting.run(2s);
  const auto found = all<CandidatesFound>(guest).back().second.addresses;
  CHECK(found.size() <= RendezvousClient::candidates_max);
  CHECK(std::count(found.begin(), found.end(), member_address(1)) == 1);
  CHECK(std::count_if(found.begin(), found.end(),
                      [&](const Address& a) { return a.ip == victim.ip; }) <= 4);
  for (const Address& address : found) {
    CHECK(address.is_unicast());
    CHECK_FALSE(address.is_loopback());
    CHECK(address != member_address(2));
  }
  CHECK(guest.client.stats().implausible > 0);
}

TEST_CASE("a server that lies about where one is seen hides nothing of what others tell") {
  Meeting meeting(2);
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  Meeting::Member& guest = meeting.add(2);
  const Liar liar{{}, member_address(1)};
  liar.stand_in(meeting);
  guest.client.look_up(meeting.now, {});
  meeting.run(1s);
  CHECK(all<CandidatesFound>(guest).back().second.addresses ==
        std::vector<Address>{member_address(1)});
}

TEST_CASE("no answer makes a client send more than a few packets a second") {
  Instant now = start;
  RendezvousClient client({{server_address(1)}, {1}}, mrt::seed_from(1));
  client.set_key(now, RendezvousKey(open_rendezvous_seed("lab")));
  client.look_up(now, {});
  client.enrol(now, 1, {});
  mrt::Random random(mrt::seed_from(2));
  std::deque<Instant> sent;
  size_t most = 0;
  while (now < start + 120s) {
    if (client.next_timeout() <= now) client.on_timeout(now);
    for (const auto& said : heard_by(client, now)) {
      sent.push_back(now);
      uint64_t transaction = 0;
      std::visit([&](const auto& one) { transaction = one.transaction; }, said);
      // Whatever hurries: cookies, "unknown", answers that are taken back with the next word.
      for (const RendezvousMessage& answer :
           std::vector<RendezvousMessage>{CookieGiven{transaction, random.array<16>()},
                                          Registered{transaction, 1, 60, member_address(1)},
                                          Refusal{transaction, RefusalCode::unknown},
                                          CookieGiven{transaction, random.array<16>()},
                                          Refusal{transaction, RefusalCode::crowded}}) {
        Bytes bytes = write_rendezvous(answer);
        client.on_datagrams(now, {{}, server_address(1)}, mrt::Ecn::not_ect, bytes.size(), bytes);
      }
    }
    while (client.poll_event()) {
    }
    while (!sent.empty() && sent.front() <= now - 1s) sent.pop_front();
    most = std::max(most, sent.size());
    now += 1ms;
  }
  CHECK(most <= 10);
}

TEST_CASE("a supernode is not driven to flood anyone by introductions") {
  Meeting meeting;
  Meeting::Member& host = meeting.add(1);
  host.client.enrol(meeting.now, 1, {});
  meeting.run(1s);
  uint64_t transaction = 0;
  for (const auto& [when, one] : meeting.log) {
    if (!says(one, 0xd3)) continue;
    transaction = std::get<Registration>(*parse_rendezvous(one.bytes)).transaction;
  }
  REQUIRE(transaction != 0);
  const size_t before = host.events.size();
  for (uint16_t i = 0; i < 1'000; ++i) {
    const Introduction one{transaction,
                           Address::v4(192, 0, 2, 66, static_cast<uint16_t>(1 + i)),
                           {Address::v4(192, 0, 2, 66, 9'999), Address::v4(127, 0, 0, 1, 1)}};
    meeting.deliver({server_address(1), member_address(1), write_rendezvous(one)});
  }
  meeting.settle();
  size_t addresses = 0;
  for (size_t i = before; i < host.events.size(); ++i) {
    const auto& peer = std::get<PeerIntroduced>(host.events[i].second);
    addresses += peer.addresses.size();
    for (const Address& address : peer.addresses) CHECK_FALSE(address.is_loopback());
  }
  CHECK(addresses == 64);
}

TEST_CASE("a client does not hear a server that it does not ask") {
  RendezvousClient client({{}, {1}}, mrt::seed_from(1));
  client.set_key(start, RendezvousKey(open_rendezvous_seed("lab")));
  client.look_up(start, {});
  client.enrol(start, 1, {});
  CHECK(client.next_timeout() == mrt::never);
  Bytes bytes = write_rendezvous(Found{});
  client.on_datagrams(start, {{}, server_address(1)}, mrt::Ecn::not_ect, bytes.size(), bytes);
  CHECK(client.stats().strangers == 1);
}
