// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>
#include <map>

#include "mrt/identity.h"
#include "node/node.h"
#include "stun/message.h"

using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;

namespace {

const Path path{Address::v4(198, 51, 100, 5, 7000), Address::v4(192, 0, 2, 1, 40'000)};

node::NodeConfig config() {
  node::NodeConfig out;
  out.nick = "ann";
  out.sockets = {Address::v4(0, 0, 0, 0, 7000)};
  out.host = true;
  out.endpoint.identity.fill(1);
  return out;
}

Bytes binding(uint8_t number) {
  stun::Message out;
  out.id.bytes.fill(number);
  std::copy(stun::magic_cookie.begin(), stun::magic_cookie.end(), out.id.bytes.begin());
  return stun::write_message(out);
}

/// What the node says next, where that is STUN.
std::optional<stun::Message> answer_of(node::Node& node) {
  std::array<uint8_t, 1'200> buffer;
  const auto batch = node.poll_transmit(Instant{}, buffer);
  if (!batch) return std::nullopt;
  CHECK(batch->path == path);
  return stun::read_message(mrt::ByteView(buffer).first(batch->size));
}

}  // namespace

TEST_CASE("a node answers STUN at its own port") {
  node::Node node(Instant{}, config(), mrt::seed_from(1));
  Bytes request = binding(1);
  node.on_datagrams(Instant{}, path, mrt::Ecn::not_ect, 0, request);
  const auto answer = answer_of(node);
  REQUIRE(answer);
  CHECK(answer->xor_mapped == path.remote);
  CHECK(answer->response_origin == path.local);
  CHECK(!answer->other_port);
  CHECK(!answer_of(node));
}

TEST_CASE("requests among packets of MRT in one batch are answered one by one") {
  node::Node node(Instant{}, config(), mrt::seed_from(1));
  Bytes batch;
  for (uint8_t number = 1; number <= 5; ++number) {
    // Each other one is long enough to be a packet, and none that is known: RESET answers it.
    Bytes one = number % 2 == 0 ? Bytes(20, 0x40) : binding(number);
    batch.insert(batch.end(), one.begin(), one.end());
  }
  batch.resize(batch.size() - 1);  // the last is cut
  node.on_datagrams(Instant{}, path, mrt::Ecn::not_ect, 20, batch);
  for (const uint8_t number : std::array<uint8_t, 2>{1, 3}) {
    const auto answer = answer_of(node);
    REQUIRE(answer);
    CHECK(answer->id.bytes[15] == number);
  }
  CHECK(!answer_of(node));
}

TEST_CASE("an answer of STUN, or anything like it, gets none") {
  node::Node node(Instant{}, config(), mrt::seed_from(1));
  stun::Message message;
  message.kind = stun::Kind::success;
  for (Bytes bytes : {stun::write_message(message), Bytes(20, 0), Bytes(1, 3)})
    node.on_datagrams(Instant{}, path, mrt::Ecn::not_ect, 0, bytes);
  CHECK(!answer_of(node));
}

namespace {

/// A node whose NAT shifts ports by 1000, and one server beyond it, in virtual time.
struct Watched {
  Watched() : node(now, watched_config(), mrt::seed_from(1)) {}
  static node::NodeConfig watched_config() {
    node::NodeConfig out = config();
    out.seconds = {Address::v4(0, 0, 0, 0, 7001)};
    out.addresses = {Address::v4(10, 0, 0, 2, 7000)};
    return out;
  }
  /// Answers all that the node asks, until nothing is left to say; what it told of its NAT.
  std::vector<stun::Behaviour> run(mrt::Duration time) {
    std::vector<stun::Behaviour> out;
    const Instant end = now + time;
    while (true) {
      while (auto event = node.poll_event()) {
        if (const auto* nat = std::get_if<node::NatChanged>(&*event)) out.push_back(nat->behaviour);
      }
      std::array<uint8_t, 1'200> buffer;
      if (const auto batch = node.poll_transmit(now, buffer)) {
        answer(*batch, mrt::ByteView(buffer).first(batch->size));
        continue;
      }
      if (node.next_timeout() > end) break;
      now = node.next_timeout();
      node.on_timeout(now);
    }
    now = end;
    return out;
  }
  void answer(const mrt::Transmit& batch, mrt::ByteView bytes) {
    ++asked[batch.path.local.port];
    const auto request = stun::read_message(bytes);
    if (!request || batch.path.remote != server || request->change) return;
    stun::Message said;
    said.kind = stun::Kind::success;
    said.id = request->id;
    said.xor_mapped = outer(batch.path.local.port);
    Bytes written = stun::write_message(said);
    node.on_datagrams(now, {Address::v4(10, 0, 0, 2, batch.path.local.port), server},
                      mrt::Ecn::not_ect, 0, written);
  }
  Address outer(uint16_t port) const {
    return Address::v4(192, 0, 2, 1, static_cast<uint16_t>(port + shift));
  }

  static inline const Address server = path.remote;
  uint16_t shift = 1000;
  Instant now{std::chrono::seconds(1)};
  std::map<uint16_t, int> asked;  // by the port from which
  node::Node node;
};

}  // namespace

TEST_CASE("a node tells what its NAT does, and has the mapped address ready for others") {
  Watched all;
  CHECK(all.run(std::chrono::seconds(1)).empty());
  all.node.add_stun(all.now, {Watched::server});
  const auto found = all.run(std::chrono::seconds(5));
  REQUIRE(found.size() == 1);
  CHECK(found[0].mapped == all.outer(7000));
  // Of the second socket nobody hears.
  CHECK(all.asked.contains(7001));
  const std::vector own{Address::v4(10, 0, 0, 2, 7000), all.outer(7000)};
  CHECK(all.node.reachable_at(8) == own);
  CHECK(all.node.reachable_at(1) == std::vector{own[1]});
}

TEST_CASE("when its host's addresses change a node looks again") {
  Watched all;
  all.node.add_stun(all.now, {Watched::server});
  all.run(std::chrono::seconds(20));
  all.shift = 2000;
  all.node.set_addresses(all.now, {Address::v4(10, 0, 0, 3, 7000)});
  REQUIRE(all.run(std::chrono::seconds(5)).size() == 1);
  CHECK(all.node.reachable_at(8) == std::vector{Address::v4(10, 0, 0, 3, 7000), all.outer(7000)});
}

TEST_CASE("a second socket takes answers and nothing else") {
  Watched all;
  all.node.add_stun(all.now, {Watched::server});
  all.run(std::chrono::seconds(5));
  all.asked.clear();
  const Path to_second{Address::v4(10, 0, 0, 2, 7001), path.remote};
  for (Bytes bytes : {binding(1), Bytes(1'200, 0x40), Bytes(40, 0xc0), Bytes(1, 0)})
    all.node.on_datagrams(all.now, to_second, mrt::Ecn::not_ect, 0, bytes);
  CHECK(all.run(std::chrono::milliseconds(1)).empty());
  CHECK(all.asked.empty());
}
