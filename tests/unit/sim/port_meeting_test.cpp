// SPDX-License-Identifier: MIT
//
// Two nodes behind NATs of which nobody knows at which port one can be called (OVERLAY.md 4.10), a
// rendezvous server that sees both, and those who would have them knock at others' doors.
#include <doctest/doctest.h>

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "mrt/handshake.h"
#include "node/node.h"
#include "node/sim/nat.h"
#include "stun/port_search.h"
#include "stun/rendezvous_client.h"
#include "stun/rendezvous_service.h"

using namespace node;
using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using sim::Depends;
using sim::NatSpec;

namespace {

const NatSpec symmetric{Depends::on_address_and_port, Depends::on_address_and_port, false};
const NatSpec port_restricted{Depends::on_nothing, Depends::on_address_and_port};

const Address server_address = Address::v4(203, 0, 113, 200, 7700);
const Address server_second = Address::v4(203, 0, 113, 200, 7701);

stun::RendezvousKey key_of() { return stun::RendezvousKey(stun::open_rendezvous_seed("town")); }

/// A host with a node, alone behind its NAT, and the sockets that a driver would have.
struct House {
  House(Instant now, uint8_t number, const NatSpec& spec, bool host)
      : own(Address::v4(10, 0, number, 2, 7000)),
        outer(Address::v4(203, 0, 113, number, 0)),
        nat(spec, outer, mrt::seed_from(number)) {
    NodeConfig config;
    config.nick = host ? "anna" : "ben";
    config.network = "town";
    config.sockets = config.addresses = {own};
    config.seconds = {at_port(7001)};
    config.rendezvous = {server_address};
    config.host = host;
    config.endpoint.identity.fill(number);
    config.endpoint.network_key.access = mrt::Access::open;
    config.endpoint.only_cipher = mrt::Cipher::chacha20_poly1305;
    node = std::make_unique<Node>(now, config, mrt::seed_from(number));
    node->set_rendezvous_key(now, key_of());
    node->add_stun(now, {server_address});
  }
  Address at_port(uint16_t port) const { return {own.ip, port}; }

  Address own, outer;
  sim::Nat nat;
  std::unique_ptr<Node> node;
  std::set<uint16_t> sockets{7000, 7001};
  std::map<uint16_t, Address> spares;  // port, and who is waited for
  size_t spares_opened = 0;
  const House* shut_out = nullptr;  // nothing comes in from there
  std::set<uint16_t> ended;
  bool has_joined = false;
  std::string failure;
};

struct Town {
  explicit Town(uint64_t seed = 1) : service({server_address, server_second}, mrt::seed_from(9)) {
    for (uint64_t i = 0; i < seed; ++i) ++next_number;
  }
  House& settle(const NatSpec& spec, bool host) {
    houses.push_back(std::make_unique<House>(now, next_number, spec, host));
    next_number = static_cast<uint8_t>(next_number + 40);
    return *houses.back();
  }

  void carry(const Address& from, const Address& to, mrt::ByteView bytes) {
    ++sent[{to.ip, 0}];
    wire.insert({now + 10ms, {from, to, Bytes(bytes.begin(), bytes.end())}});
  }
  void send_from(House& house, const mrt::Path& path, mrt::ByteView bytes) {
    const uint16_t port = path.local.port == 0 ? house.own.port : path.local.port;
    carry(house.nat.send_out(now, house.at_port(port), path.remote), path.remote, bytes);
  }
  void send_batch(House& house, const mrt::Transmit& batch, mrt::ByteView bytes) {
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(batch.segment_size, bytes.size())))
      send_from(house, batch.path, bytes.first(std::min(batch.segment_size, bytes.size())));
  }
  void on_request(House& house, const SocketRequest& request) {
    if (const auto* wanted = std::get_if<SpareWanted>(&request)) {
      const auto port = static_cast<uint16_t>(20'000 + house.spares_opened++);
      house.spares[port] = wanted->path.remote;
      send_from(house, {house.at_port(port), wanted->path.remote}, mrt::opening_packet());
    } else if (const auto* ended = std::get_if<SpareEnded>(&request)) {
      CHECK(house.sockets.erase(ended->local.port) == 1);
      house.ended.insert(ended->local.port);
    } else {
      house.spares.clear();
    }
  }
  void settle_all() {
    Bytes buffer(mrt::batch_bytes_max);
    for (auto& house : houses) {
      for (bool busy = true; busy;) {
        busy = false;
        while (auto event = house->node->poll_event()) {
          busy = true;
          house->has_joined |= std::holds_alternative<JoinDone>(*event);
          if (const auto* failed = std::get_if<CommandFailed>(&*event)) {
            house->failure = failed->message;
          }
          if (const auto* request = std::get_if<SocketRequest>(&*event))
            on_request(*house, *request);
        }
        while (const auto batch = house->node->poll_transmit(now, buffer)) {
          busy = true;
          send_batch(*house, *batch, mrt::ByteView(buffer).first(batch->size));
        }
      }
    }
    while (const auto batch = service.poll_transmit(now, buffer)) {
      const Address from = batch->path.local.port == 7701 ? server_second : server_address;
      carry(from, batch->path.remote, mrt::ByteView(buffer).first(batch->size));
    }
    for (Looker& one : lookers) {
      while (const auto batch = one.client.poll_transmit(now, buffer))
        carry(one.at, batch->path.remote, mrt::ByteView(buffer).first(batch->size));
      while (one.client.poll_event()) {
      }
    }
  }
  void deliver(const Address& from, const Address& to, Bytes& bytes) {
    const auto give = [&](auto& machine, const Address& local) {
      machine.on_datagrams(now, {local, from}, mrt::Ecn::not_ect, bytes.size(), bytes);
    };
    if (to == server_address || to == server_second) return give(service, to);
    for (Looker& one : lookers) {
      if (one.at == to) return give(one.client, to);
    }
    for (auto& house : houses) {
      if (house->outer.ip != to.ip) continue;
      if (house->shut_out != nullptr && house->shut_out->outer.ip == from.ip) continue;
      const auto inside = house->nat.let_in(now, to.port, from);
      if (!inside) continue;
      if (house->sockets.contains(inside->port)) give(*house->node, *inside);
      const auto spare = house->spares.find(inside->port);
      if (spare == house->spares.end() || spare->second != from) continue;
      house->spares.clear();
      house->sockets.insert(inside->port);
      house->node->on_spare(now, {*inside, from});
    }
  }
  void run(mrt::Duration time) {
    const Instant end = now + time;
    while (true) {
      settle_all();
      Instant next = wire.empty() ? mrt::never : wire.begin()->first;
      next = std::min(next, service.next_timeout());
      for (const auto& house : houses) next = std::min(next, house->node->next_timeout());
      for (const Looker& one : lookers) next = std::min(next, one.client.next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      while (!wire.empty() && wire.begin()->first <= now) {
        auto [from, to, bytes] = std::move(wire.begin()->second);
        wire.erase(wire.begin());
        deliver(from, to, bytes);
      }
      if (service.next_timeout() <= now) service.on_timeout(now);
      for (auto& house : houses) {
        if (house->node->next_timeout() > now) continue;
        house->node->on_timeout(now);
        CHECK(house->node->is_consistent());
      }
      for (Looker& one : lookers) {
        if (one.client.next_timeout() <= now) one.client.on_timeout(now);
      }
    }
    now = end;
  }
  /// Speaks with the server and with nobody else.
  struct Looker {
    Address at;
    stun::RendezvousClient client;
  };
  stun::RendezvousClient& add_looker(const Address& at) {
    const auto number = static_cast<uint8_t>(lookers.size());
    stun::RendezvousClient& one =
        lookers
            .emplace_back(Looker{
                at, stun::RendezvousClient({{server_address}, {number}}, mrt::seed_from(number))})
            .client;
    one.set_key(now, key_of());
    return one;
  }
  static Address looker_at(size_t number) {
    return Address::v4(192, 0, 2, static_cast<uint8_t>(number + 1), 4000);
  }
  size_t sent_to(const Address& address) { return sent[{address.ip, 0}]; }

  Instant now{1s};
  uint8_t next_number = 0;
  stun::RendezvousService service;
  std::vector<std::unique_ptr<House>> houses;
  std::deque<Looker> lookers;
  struct Flying {
    Address from, to;
    Bytes bytes;
  };
  std::multimap<Instant, Flying> wire;
  std::map<Address, size_t> sent;  // by host
};

/// Anna hosts, and three seconds later Ben looks for her network.
struct Met {
  Met(const NatSpec& annas, const NatSpec& bens, uint64_t seed = 1)
      : town(seed), anna(town.settle(annas, true)) {
    town.run(3s);
    ben = &town.settle(bens, false);
    ben->node->join(town.now, CommandId{1}, {}, std::nullopt, true);
  }

  Town town;
  House& anna;
  House* ben = nullptr;
};

}  // namespace

TEST_CASE("a port of a symmetric NAT is found by who lets in only ports it sent to") {
  const std::pair<NatSpec, NatSpec> pairs[] = {{symmetric, port_restricted},
                                               {port_restricted, symmetric}};
  for (const auto& [annas, bens] : pairs) {
    // The odds are 98 in 100.
    int met = 0;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
      Met all(annas, bens, seed);
      all.town.run(15s);
      met += all.ben->has_joined ? 1 : 0;
      if (!all.ben->has_joined) continue;
      House& opener = annas.keeps_ports ? *all.ben : all.anna;
      CHECK(opener.spares.empty());
      CHECK(opener.spares_opened <= stun::spares_max);
      CHECK(opener.sockets.size() == 3);
      // It is used for as long as they are together, and closed after that.
      all.town.run(60s);
      CHECK(all.ben->node->role() == Role::member);
      CHECK(opener.ended.empty());
      all.ben->node->quit(all.town.now, "done");
      all.town.run(25s);
      if (&opener == &all.anna) CHECK(opener.ended.size() == 1);
    }
    CHECK(met >= 4);
  }
}

TEST_CASE("two symmetric NATs are not searched through, and who is let in anyway is not searched") {
  Met both(symmetric, symmetric);
  both.town.run(12s);
  CHECK(both.ben->failure ==
        "nobody answered within 10 s: both sides are behind symmetric NATs, "
        "so one reachable node is needed");
  CHECK(both.ben->spares_opened == 0);
  // Ben's own NAT is not known to him yet when he asks for the second time.
  CHECK(both.anna.spares_opened < 20);
  CHECK(both.anna.spares.empty());
  CHECK(both.town.sent_to(both.anna.outer) < 200);

  NatSpec restricted = port_restricted;
  restricted.filtering = Depends::on_address;
  Met easy(symmetric, restricted);
  easy.town.run(12s);
  CHECK(easy.ben->has_joined);
  CHECK(easy.anna.spares_opened == 0);
}

TEST_CASE("members come together whose supernode sees both, of whom one has a symmetric NAT") {
  Town town;
  town.settle({Depends::on_nothing, Depends::on_nothing}, true);
  town.run(3s);
  House& ben = town.settle(symmetric, false);
  House& carl = town.settle(port_restricted, false);
  for (House* house : {&ben, &carl}) {
    house->node->join(town.now, CommandId{1}, {}, std::nullopt, true);
    town.run(3s);
    REQUIRE(house->has_joined);
  }
  town.run(12s);
  const auto path_to_ben = [&] {
    for (const Peer& peer : carl.node->peers()) {
      if (peer.node == ben.node->id()) return peer.path;
    }
    return PathKind::relayed;
  };
  CHECK(path_to_ben() == PathKind::direct);
  CHECK(ben.spares_opened > 0);
  CHECK(ben.spares_opened <= stun::spares_max);
  town.run(60s);
  CHECK(path_to_ben() == PathKind::direct);
}

TEST_CASE(
    "members who search for a port in vain do so ever more seldom, and anew once one has moved") {
  Town town;
  town.settle({Depends::on_nothing, Depends::on_nothing}, true);
  town.run(3s);
  House& ben = town.settle(symmetric, false);
  House& carl = town.settle(port_restricted, false);
  ben.shut_out = &carl;
  carl.shut_out = &ben;
  for (House* house : {&ben, &carl}) {
    house->node->join(town.now, CommandId{1}, {}, std::nullopt, true);
    town.run(3s);
    REQUIRE(house->has_joined);
  }
  const auto searches_in = [&](mrt::Duration time) {
    const size_t before = ben.spares_opened;
    town.run(time);
    return (ben.spares_opened - before) / stun::spares_max;
  };
  // Each of the two asks for them: after a minute at least, then two, four, eight.
  CHECK(searches_in(5min) >= 2);
  CHECK(searches_in(15min) <= 6);

  ben.shut_out = carl.shut_out = nullptr;
  carl.outer = Address::v4(203, 0, 113, 222, 0);
  carl.nat = sim::Nat(port_restricted, carl.outer, mrt::seed_from(7));
  town.run(30s);
  bool direct = false;
  for (const Peer& peer : carl.node->peers())
    direct |= peer.node == ben.node->id() && peer.path == PathKind::direct;
  CHECK(direct);
}

TEST_CASE("another one who looks from behind the same NAT ends nobody's search") {
  int met = 0;
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Met all(port_restricted, symmetric, seed);
    all.town.run(1'500ms);
    REQUIRE(all.ben->spares_opened > 0);
    all.town.add_looker({all.ben->outer.ip, 3'999}).look_up(all.town.now, {});
    all.town.run(13s);
    met += all.ben->has_joined ? 1 : 0;
  }
  CHECK(met >= 2);
}

TEST_CASE("a member that shows the way to a supernode keeps nobody from the search for its port") {
  Town town;
  House& anna = town.settle(symmetric, true);
  town.run(3s);
  House& carl = town.settle({Depends::on_nothing, Depends::on_nothing}, false);
  carl.node->join(town.now, CommandId{1}, {}, std::nullopt, true);
  town.run(3s);
  REQUIRE(carl.has_joined);
  House& ben = town.settle(port_restricted, false);
  const Address carls = carl.nat.send_out(town.now, carl.own, server_address);
  ben.node->join(town.now, CommandId{1}, {carls}, std::nullopt, true);
  town.run(15s);
  CHECK(anna.spares_opened > 0);
  CHECK(ben.has_joined);
}

TEST_CASE("however many are registered who are not there, a join ends") {
  Town town;
  for (size_t i = 0; i < 4; ++i) town.add_looker(Town::looker_at(i)).enrol(town.now, 1, {{}, true});
  town.run(3s);
  House& ben = town.settle(port_restricted, false);
  ben.node->join(town.now, CommandId{1}, {}, std::nullopt, true);
  town.run(12s);
  CHECK(ben.failure.empty());
  town.run(11s);
  CHECK(ben.failure == "nobody answered within 22 s");
}

TEST_CASE("who quits opens no more ports and gives up those that wait") {
  const std::pair<NatSpec, NatSpec> pairs[] = {{symmetric, port_restricted},
                                               {port_restricted, symmetric}};
  for (const auto& [annas, bens] : pairs) {
    Met all(annas, bens);
    all.town.run(1'500ms);
    House& opener = annas.keeps_ports ? *all.ben : all.anna;
    REQUIRE(opener.spares.size() > 10);
    opener.node->quit(all.town.now, "done");
    const size_t opened = opener.spares_opened;
    all.town.run(1s);
    CHECK(opener.spares.empty());
    CHECK(opener.spares_opened == opened);
  }
}

TEST_CASE(
    "who asks for a node never makes it send where he says that he is, and little to himself") {
  for (const NatSpec& spec : {port_restricted, symmetric}) {
    Town town;
    House& anna = town.settle(spec, true);
    town.run(3s);
    const Address victim = Address::v4(198, 51, 100, 1, 53);
    // They ask for the star and never come, each from a host of its own.
    for (size_t i = 0; i < 20; ++i) {
      town.add_looker(Town::looker_at(i)).look_up(town.now, {{victim}, true});
    }
    const size_t before = town.sent_to(victim);
    town.run(30s);
    // Three tiny packets each second, to the one address that they name.
    CHECK(town.sent_to(victim) - before <= 3 * 31);
    size_t all = 0;
    for (size_t i = 0; i < town.lookers.size(); ++i) all += town.sent_to(Town::looker_at(i));
    // Answers of the server, three tiny packets for each that asks, and a search's hundred.
    CHECK(all <= 30 * 20 * (2 + 3) + 31 * 100);
    if (!spec.keeps_ports) CHECK(anna.spares_opened == 0);
    if (spec.keeps_ports) CHECK(all > 2'000);
  }
}
