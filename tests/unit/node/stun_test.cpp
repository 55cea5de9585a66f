// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <array>

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
