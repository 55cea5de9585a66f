// SPDX-License-Identifier: MIT
//
// How nodes find each other by rendezvous servers (WIRE.md 9).
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <deque>

#include "mrt/handshake.h"
#include "node/allowed.h"
#include "node/node_limits.h"
#include "stun/rendezvous_client.h"
#include "stun/rendezvous_server.h"
#include "unit/node/stage.h"

using namespace node;
using namespace stage;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

namespace {

const mrt::Address server_address = remote(200), other_server = remote(201);

/// Any machine at an address; what it tells is of no interest.
template <mrt::Machine M>
class Driven final : public Actor {
 public:
  template <class... Arguments>
  Driven(Stage& stage, const mrt::Address& at, Arguments&&... arguments)
      : Actor(stage, at), machine(std::forward<Arguments>(arguments)...) {}

  void on_datagrams(mrt::Instant now, const mrt::Path& path, size_t segment_size,
                    mrt::MutableBytes bytes) override {
    machine.on_datagrams(now, path, mrt::Ecn::not_ect, segment_size, bytes);
  }
  void on_timeout(mrt::Instant now) override { machine.on_timeout(now); }
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer) override {
    return machine.poll_transmit(now, buffer);
  }
  void take_events(mrt::Instant) override {
    while (machine.poll_event()) {
    }
  }
  mrt::Instant next_timeout() const override { return machine.next_timeout(); }

  M machine;
};

/// A server that answers a question ten times, each time with other addresses.
class Liar final : public Actor {
 public:
  using Actor::Actor;
  static mrt::Address nth(size_t i) {
    return mrt::Address::v4(45, 1, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i), 7000);
  }

  void on_datagrams(mrt::Instant, const mrt::Path& path, size_t, mrt::MutableBytes bytes) override {
    const auto said = stun::parse_rendezvous(bytes);
    const auto* find = said ? std::get_if<stun::Find>(&*said) : nullptr;
    for (int answer = 0; find != nullptr && answer < 10; ++answer) {
      stun::Found found{find->transaction, path.remote, {}};
      for (uint8_t node = 50; node < 54; ++node) {
        stun::Whereabouts& one = found.supernodes.emplace_back();
        one.node = {node};
        for (int i = 0; i < 8; ++i) one.told.push_back(nth(told++));
      }
      answers_.emplace_back(path, stun::write_rendezvous(found));
    }
  }
  void on_timeout(mrt::Instant) override {}
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant, mrt::MutableBytes buffer) override {
    if (answers_.empty()) return std::nullopt;
    const auto [path, bytes] = std::move(answers_.front());
    answers_.pop_front();
    std::copy(bytes.begin(), bytes.end(), buffer.begin());
    return mrt::Transmit{path, bytes.size(), bytes.size(), mrt::Ecn::not_ect};
  }
  void take_events(mrt::Instant) override {}
  mrt::Instant next_timeout() const override { return mrt::never; }

  size_t told = 0;

 private:
  std::deque<std::pair<mrt::Path, mrt::Bytes>> answers_;
};

stun::RendezvousKey key_of(uint8_t number = 9) {
  return stun::RendezvousKey(stun::secret_rendezvous_seed("stage", secret(number).secret));
}

/// Servers, of which the second is down, and nodes that know both.
struct Town {
  std::unique_ptr<Honest> settle(uint8_t number, bool host = false) {
    auto out = std::make_unique<Honest>(stage, remote(number), number, std::string(1, 'a'),
                                        secret(), host, std::vector{other_server, server_address});
    (*out)->set_rendezvous_key(stage.now(), key_of());
    stage.run(milliseconds(100));
    return out;
  }
  void seek(Honest& node) {
    node.forget();
    node->join(stage.now(), CommandId{1}, {}, std::nullopt, true);
  }
  bool joins(Honest& node) {
    seek(node);
    stage.run(seconds(1));
    return !node.told<JoinDone>().empty();
  }
  size_t registered() const {
    stun::RendezvousTable table = server.machine.table();
    return table.find(stage.now(), key_of().id()).size();
  }

  Stage stage;
  Driven<stun::RendezvousServer> server{stage, server_address, mrt::seed_from(1)};
};

}  // namespace

TEST_CASE("a newcomer that knows nobody finds the star by its servers, one of which is down") {
  Town town;
  const auto anna = town.settle(1, true);
  CHECK(town.registered() == 1);
  const auto bert = town.settle(2);
  CHECK(town.joins(*bert));
  CHECK((*bert)->role() == Role::member);
  // A member is nobody to be led to.
  CHECK(town.registered() == 1);
}

TEST_CASE("a node that was in no star is not registered, and a host is when its key is known") {
  Town town;
  const auto alone = town.settle(1);
  CHECK(town.registered() == 0);
  Honest host{town.stage, remote(2), 2, "b", secret(), true, {server_address}};
  town.stage.run(seconds(2));
  CHECK(town.registered() == 0);
  host->set_rendezvous_key(town.stage.now(), key_of());
  town.stage.run(milliseconds(100));
  CHECK(town.registered() == 1);
}

TEST_CASE("the supernode dies, its heir registers, and newcomers find it") {
  Town town;
  auto anna = town.settle(1, true);
  const auto bert = town.settle(2), carl = town.settle(3);
  REQUIRE(town.joins(*bert));
  REQUIRE(town.joins(*carl));
  anna.reset();
  town.stage.run(seconds(5));
  CHECK(town.registered() == 2);  // the dead one's life has not ended yet
  const auto dora = town.settle(4);
  CHECK(town.joins(*dora));
  CHECK((*dora)->peers().size() == 3);
  town.stage.run(seconds(60));
  CHECK(town.registered() == 1);
}

TEST_CASE("who quits is registered no more") {
  Town town;
  const auto anna = town.settle(1, true);
  REQUIRE(town.registered() == 1);
  (*anna)->quit(town.stage.now(), "done");
  town.stage.run(milliseconds(100));
  CHECK(town.registered() == 0);
}

TEST_CASE("a look-up that finds nobody ends in time and says why") {
  Town town;
  const auto anna = town.settle(1);
  town.seek(*anna);
  town.stage.run(milliseconds(9'900));
  CHECK(anna->told<CommandFailed>().empty());
  town.stage.run(milliseconds(200));
  REQUIRE(anna->told<CommandFailed>().size() == 1);
  CHECK(anna->told<CommandFailed>()[0].code == ErrorCode::unreachable);
  CHECK(anna->told<CommandFailed>()[0].message.starts_with("nobody is registered"));
  // And nothing more is asked.
  const size_t asked = town.stage.sent_to(server_address);
  town.stage.run(seconds(5));
  CHECK(town.stage.sent_to(server_address) == asked);

  Honest lost{town.stage, remote(2), 2, "b", secret(), false, {other_server}};
  lost->set_rendezvous_key(town.stage.now(), key_of());
  town.seek(lost);
  town.stage.run(seconds(11));
  REQUIRE(lost.told<CommandFailed>().size() == 1);
  CHECK(lost.told<CommandFailed>()[0].message == "no rendezvous server answers");
}

TEST_CASE("without servers there is nothing to look up") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "a"};
  anna->join(stage.now(), CommandId{1}, {}, std::nullopt, true);
  stage.run(milliseconds(10));
  REQUIRE(anna.told<CommandFailed>().size() == 1);
  CHECK(anna.told<CommandFailed>()[0].code == ErrorCode::unreachable);
}

TEST_CASE("who looks is let in wherever it says it is, with three tiny packets") {
  Town town;
  const auto anna = town.settle(1, true);
  const stun::RendezvousClientConfig config{{server_address}, {77}};
  Driven<stun::RendezvousClient> looker{town.stage, remote(50), config, mrt::seed_from(3)};
  looker.machine.set_key(town.stage.now(), key_of());
  looker.machine.look_up(town.stage.now(), {{remote(51)}});
  town.stage.run(milliseconds(500));
  CHECK(town.stage.sent_to(remote(51)) == 3);
  town.stage.run(seconds(1));
  CHECK(town.stage.sent_to(remote(51)) == 6);
}

TEST_CASE("whoever is left of a star is found under its name") {
  Town town;
  const auto anna = town.settle(1, true);
  const auto bert = town.settle(2);
  REQUIRE(town.joins(*bert));
  (*anna)->quit(town.stage.now(), "done");
  town.stage.run(seconds(1));
  const auto carl = town.settle(3);
  CHECK(town.joins(*carl));
  CHECK((*carl)->supernode() == (*bert)->id());
}

namespace {

/// An OPENING that comes to a node from there.
void open_from(Stage& stage, Honest& to, const mrt::Address& from) {
  mrt::Bytes packet = mrt::opening_packet();
  to.on_datagrams(stage.now(), {to.at(), from}, 0, packet);
}

mrt::Address at_port(mrt::Address address, int port) {
  address.port = static_cast<uint16_t>(port);
  return address;
}

}  // namespace

TEST_CASE("who is sought at another port than it has is called where its OPENING comes from") {
  Stage stage;
  Honest anna{stage, remote(1), 1, "a", secret(), true};
  Honest bert{stage, remote(2), 2, "b"};
  // As behind a symmetric NAT: a port that is open to somebody else.
  bert->join(stage.now(), CommandId{1}, {at_port(anna.at(), 1)}, secret());
  stage.run(milliseconds(50));
  anna->allow(stage.now(), CommandId{1}, bert.at());
  stage.run(milliseconds(100));
  CHECK(bert->role() == Role::member);
}

TEST_CASE("forged OPENINGs make a search call few ports of hosts that it calls anyway") {
  Stage stage;
  Honest bert{stage, remote(2), 2, "b"};
  for (int port = 2; port < 100; ++port) open_from(stage, bert, at_port(remote(1), port));
  bert->join(stage.now(), CommandId{1}, {at_port(remote(1), 1)});
  for (int port = 100; port < 160; ++port) {
    open_from(stage, bert, at_port(remote(1), port));
    open_from(stage, bert, at_port(remote(3), port));
  }
  stage.run(seconds(11));
  int called = 0;
  for (int port = 2; port < 160; ++port) {
    called += stage.sent_to(at_port(remote(1), port)) > 0 ? 1 : 0;
    CHECK(stage.sent_to(at_port(remote(3), port)) == 0);
  }
  CHECK(called == 4);
}

namespace {

/// A node that looks a star up at servers whose addresses are not known yet.
struct Awaiting {
  Awaiting() : node(now, config(), mrt::seed_from(1)) {
    node.set_rendezvous_key(now, key_of());
    node.join(now, CommandId{1}, {}, std::nullopt, true);
  }
  static NodeConfig config() {
    NodeConfig out;
    out.nick = "a";
    out.sockets = out.addresses = {remote(1)};
    out.awaits_rendezvous = true;
    out.endpoint.identity.fill(1);
    return out;
  }
  size_t failures() {
    size_t out = 0;
    while (const auto event = node.poll_event())
      out += std::holds_alternative<CommandFailed>(*event);
    return out;
  }
  bool asks(const mrt::Address& server) {
    std::array<uint8_t, 1'200> buffer;
    while (const auto batch = node.poll_transmit(now, buffer)) {
      if (batch->path.remote == server) return true;
    }
    return false;
  }

  mrt::Instant now{seconds(1)};
  Node node;
};

}  // namespace

TEST_CASE("a look-up waits for its servers' addresses, and ends where there are none") {
  Awaiting found;
  CHECK(found.failures() == 0);
  found.node.add_rendezvous(found.now, {server_address});
  CHECK(found.failures() == 0);
  CHECK(found.asks(server_address));
  Awaiting none;
  none.node.add_rendezvous(none.now, {});
  CHECK(none.failures() == 1);
  // It is as if there were none at all.
  none.node.join(none.now, CommandId{2}, {}, std::nullopt, true);
  CHECK(none.failures() == 1);
}

TEST_CASE("whom `A` names is let in for a minute, or until it has come") {
  Stage stage;
  Honest anna(stage, remote(1), 1, "anna", secret(), true);
  anna->allow(stage.now(), CommandId{1}, remote(2));
  stage.run(milliseconds(500));
  const size_t at_once = stage.sent_to(remote(2));
  CHECK(at_once == size_t{node::openings});
  stage.run(minutes(3));
  CHECK(stage.sent_to(remote(2)) == at_once + 59);

  Honest carl(stage, remote(3), 3, "carl");
  anna->allow(stage.now(), CommandId{2}, remote(3));
  REQUIRE(carl.join(anna.at()));
  carl->quit(stage.now(), "");
  stage.run(seconds(5));
  const size_t while_here = stage.sent_to(remote(3));
  stage.run(minutes(2));
  CHECK(stage.sent_to(remote(3)) == while_here);
}

TEST_CASE("of those whom `A` names the last are let in") {
  node::Allowed allowed;
  const mrt::Instant start{seconds(1)};
  for (uint8_t i = 1; i <= node::allowed_max + 1; ++i) allowed.add(start, remote(i));
  allowed.add(start, remote(2));  // again
  CHECK(allowed.take_due(start).empty());
  CHECK(allowed.next_timeout() == start + node::allowed_pause);
  const auto due = allowed.take_due(start + node::allowed_pause);
  CHECK(due.size() == node::allowed_max);
  CHECK(due.front() == remote(3));
  CHECK(due.back() == remote(2));
  CHECK(allowed.take_due(start + node::allowed_for).empty());
  CHECK(allowed.next_timeout() == mrt::never);
}

TEST_CASE("a server that names ever more addresses has few of them called") {
  Town town;
  Liar liar{town.stage, other_server};
  const auto anna = town.settle(1, true);
  Hostile carl{town.stage, remote(5), 5};
  carl.join(anna->at());
  town.stage.run(milliseconds(300));
  REQUIRE((*anna)->peers().size() == 2);
  carl.hang_up(mrt::CloseCode{0x100});
  town.stage.run(seconds(5));
  REQUIRE(liar.told > 300);
  size_t called = 0;
  for (size_t i = 0; i < liar.told; ++i) called += town.stage.sent_to(Liar::nth(i)) > 0 ? 1 : 0;
  CHECK(called > 0);
  CHECK(called <= join_addresses_max + 5 * 3);
}

TEST_CASE("a supernode that has lost somebody asks its servers who else leads the network") {
  Town town;
  const auto anna = town.settle(1, true);
  const auto bert = town.settle(2, true);
  town.stage.run(seconds(3));
  REQUIRE(town.registered() == 2);
  CHECK((*anna)->peers().size() == 1);
  Hostile carl{town.stage, remote(5), 5};
  carl.join(anna->at());
  town.stage.run(milliseconds(300));
  REQUIRE((*anna)->peers().size() == 2);
  carl.hang_up(mrt::CloseCode{0x100});
  town.stage.run(seconds(3));
  // Where Carl is leads nowhere; whom the servers know does.
  CHECK((*anna)->peers().size() == 2);
  CHECK((*anna)->supernode() == (*bert)->supernode());
}
