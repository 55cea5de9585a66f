// SPDX-License-Identifier: MIT
//
// What anybody says to a rendezvous server, to a client of one, and to a beacon. The input is
// datagrams, each behind a byte that says to whom it goes and what of it is made right (cookie,
// signature, transaction, mark), and a byte for its size. A beacon hears each of them. The whole is
// tried as what servers of one table write for each other, too.
#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "stun/beacon.h"
#include "stun/rendezvous_candidates.h"
#include "stun/rendezvous_client.h"
#include "stun/rendezvous_server.h"

namespace fuzz {

namespace {

using namespace stun;
using mrt::Address;
using mrt::Bytes;

const Address server_address = Address::v4(198, 51, 100, 1, 7700);
const Address peer_address = Address::v4(203, 0, 113, 1, 7777);

class Pair {
 public:
  Pair() : client_({{server_address}, {1}}, mrt::seed_from(2)) {
    client_.set_key(now_, key_);
    client_.look_up(now_, {});
    client_.enrol(now_, 1, {});
    cookie_ = cookie();
  }

  void to_server(Bytes datagram, bool proven, bool is_signed) {
    bool shown = false;
    if (auto said = parse_rendezvous(datagram)) {
      if (auto* find = std::get_if<Find>(&*said); find != nullptr && proven) {
        find->cookie = cookie_;
        shown = true;
      }
      if (auto* registration = std::get_if<Registration>(&*said)) {
        if (proven) registration->cookie = cookie_;
        shown = proven;
        if (is_signed) key_.sign(*registration);
      }
      datagram = write_rendezvous(*said);
    }
    const size_t size = datagram.size();
    server_.on_datagrams(now_, {server_address, peer_address}, mrt::Ecn::not_ect, size, datagram);
    for (const Bytes& answer : drain(server_)) CHECK(shown || answer.size() <= size);
    CHECK(server_.is_consistent());
  }

  void to_client(Bytes datagram, bool asked) {
    if (auto said = parse_rendezvous(datagram); said && asked) {
      std::visit([&](auto& one) { one.transaction = transaction_; }, *said);
      datagram = write_rendezvous(*said);
    }
    client_.on_datagrams(now_, {{}, server_address}, mrt::Ecn::not_ect, datagram.size(), datagram);
    while (const auto event = client_.poll_event()) check(*event);
    CHECK(client_.is_consistent());
  }

  void pass_time(mrt::Duration time) {
    now_ += time;
    if (server_.next_timeout() <= now_) server_.on_timeout(now_);
    if (client_.next_timeout() <= now_) client_.on_timeout(now_);
    CHECK(server_.next_timeout() > now_ && client_.next_timeout() > now_);
    for (const Bytes& said : drain(client_)) {
      mrt::Reader in(said);
      in.u16();
      transaction_ = in.u64();
    }
  }

 private:
  template <class M>
  std::vector<Bytes> drain(M& machine) {
    std::vector<Bytes> out;
    Bytes buffer(mrt::batch_bytes_max);
    while (const auto batch = machine.poll_transmit(now_, buffer)) {
      out.emplace_back(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch->size));
      CHECK(parse_rendezvous(out.back()));
    }
    CHECK(out.size() <= supernodes_max + 1);
    return out;
  }

  RendezvousCookie cookie() {
    Bytes find = write_rendezvous(Find{});
    server_.on_datagrams(now_, {server_address, peer_address}, mrt::Ecn::not_ect, find.size(),
                         find);
    return std::get<CookieGiven>(*parse_rendezvous(drain(server_).at(0))).cookie;
  }

  static void check(const RendezvousEvent& event) {
    const std::vector<Address>* addresses = nullptr;
    if (const auto* found = std::get_if<CandidatesFound>(&event)) addresses = &found->addresses;
    if (const auto* peer = std::get_if<PeerIntroduced>(&event)) addresses = &peer->addresses;
    if (addresses == nullptr) return;
    CHECK(addresses->size() <= RendezvousClient::candidates_max);
    for (const Address& address : *addresses) CHECK(is_plausible(address, false));
  }

  mrt::Instant now_{std::chrono::seconds(100)};
  RendezvousKey key_{open_rendezvous_seed("lab")};
  RendezvousServer server_{mrt::seed_from(1)};
  RendezvousClient client_;
  RendezvousCookie cookie_{};
  uint64_t transaction_ = 0;
};

/// A beacon that asks for a network and answers for it.
class Neighbour {
 public:
  Neighbour() {
    beacon_.answer_for(Answering{"lab", {Address::v4(0, 0, 0, 0, 7777)}, 1});
    asked_ = ask({});
  }

  void hear(mrt::Instant now, Bytes datagram, bool marked) {
    if (auto said = parse_beacon(datagram); said && marked) {
      const bool answers = said->kind == BeaconKind::answer;
      if (answers) said->nonce = asked_.nonce;
      said->mark = beacon_mark(said->kind, "lab", said->nonce);
      datagram = write_beacon(*said);
    }
    beacon_.on_datagrams(now, {{}, near_}, mrt::Ecn::not_ect, datagram.size(), datagram);
    beacon_.on_timeout(now);
    CHECK(beacon_.next_timeout() > now && beacon_.is_consistent());
    Bytes buffer(mrt::batch_bytes_max);
    while (const auto batch = beacon_.poll_transmit(now, buffer)) {
      CHECK(parse_beacon(mrt::ByteView(buffer).first(batch->size)));
      CHECK(batch->path.remote == near_ || batch->path.remote.is_multicast());
    }
    while (const auto found = beacon_.poll_event()) {
      CHECK(found->addresses.size() <= Beacon::candidates_max);
      for (const Address& address : found->addresses) CHECK(address.ip == near_.ip);
      asked_ = ask(now);
    }
  }

 private:
  BeaconMessage ask(mrt::Instant now) {
    beacon_.ask(now, "lab");
    Bytes buffer(mrt::batch_bytes_max);
    const auto batch = beacon_.poll_transmit(now, buffer);
    return *parse_beacon(mrt::ByteView(buffer).first(batch->size));
  }

  Address near_ = Address::v4(192, 168, 7, 9, 50'000);
  Beacon beacon_{{{Address::v4(192, 168, 7, 5, 40'000), 24}}, mrt::seed_from(3)};
  BeaconMessage asked_;
};

}  // namespace

void rendezvous(mrt::ByteView input) {
  if (const auto message = parse_rendezvous(input)) {
    const Bytes again = write_rendezvous(*message);
    CHECK(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  if (const auto record = parse_record(input)) {
    const Bytes again = write_record(*record);
    CHECK(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  if (const auto far = parse_far_introduction(input)) {
    const Bytes again = write_far_introduction(*far);
    CHECK(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  if (const auto message = parse_beacon(input)) {
    const Bytes again = write_beacon(*message);
    CHECK(std::equal(again.begin(), again.end(), input.begin(), input.end()));
  }
  Pair pair;
  Neighbour neighbour;
  mrt::Instant now;
  mrt::Reader in(input);
  while (in.remaining() >= 2) {
    const uint8_t how = in.u8();
    const size_t size = std::min<size_t>(in.u8(), in.remaining());
    const mrt::ByteView bytes = in.bytes(size);
    // Those of the client are a server's answers to the last that it has said.
    pair.pass_time(std::chrono::milliseconds(how >> 3) * 100);
    if (bytes.empty()) continue;
    const Bytes datagram(bytes.begin(), bytes.end());
    now += std::chrono::milliseconds(how >> 3);
    neighbour.hear(now, datagram, (how & 2) != 0);
    (how & 1) != 0 ? pair.to_client(datagram, (how & 2) != 0)
                   : pair.to_server(datagram, (how & 2) != 0, (how & 4) != 0);
  }
}

}  // namespace fuzz
