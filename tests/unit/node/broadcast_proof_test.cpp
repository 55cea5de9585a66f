// SPDX-License-Identifier: MIT
#include "node/broadcast_proof.h"

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace node;

namespace {

mrt::Random::Seed seed(uint8_t byte) {
  mrt::Random::Seed out;
  out.fill(byte);
  return out;
}

/// Anna said something in the network "lab", and it has a place.
struct Said {
  mrt::Identity anna{seed(1)};
  mrt::Identity bert{seed(2)};

  Ordered placed(BroadcastKind kind = BroadcastKind::chat, size_t size = 2) const {
    Publish said{{7}, 5, kind, mrt::Bytes(size, 'h')};
    said.signature = sign_broadcast({anna, "lab"}, said);
    return {{{3}, {10}},   {node_id_of(anna.public_key()), said.incarnation, said.number},
            "anna",        said.kind,
            said.body,     anna.public_key(),
            said.signature};
  }
};

}  // namespace

TEST_CASE_FIXTURE(Said, "what a node signed is proven, whatever it is and how long") {
  for (const size_t size : {0u, 1u, 1000u, 65'536u})
    CHECK(is_proven(placed(BroadcastKind::chat, size), "lab"));
}

TEST_CASE_FIXTURE(Said, "a signature fits only its network, life, number, kind and body") {
  const Ordered message = placed(BroadcastKind::chat);
  REQUIRE(is_proven(message, "lab"));
  CHECK_FALSE(is_proven(message, "lob"));
  CHECK_FALSE(is_proven(message, ""));
  Ordered changed = message;
  SUBCASE("life") { changed.id.incarnation = {8}; }
  SUBCASE("number") { changed.id.number = 6; }
  SUBCASE("kind") { changed.kind = BroadcastKind::offer; }
  SUBCASE("body") { changed.body[0] ^= 1; }
  SUBCASE("a longer body") { changed.body.push_back(0); }
  SUBCASE("a shorter body") { changed.body.pop_back(); }
  SUBCASE("signature") { changed.signature[63] ^= 0x10; }
  SUBCASE("no signature") { changed.signature = {}; }
  CHECK_FALSE(is_proven(changed, "lab"));
}

TEST_CASE_FIXTURE(Said, "nobody signs in another's name") {
  const Publish own{{7}, 5, BroadcastKind::chat, {'h', 'h'}};
  Ordered forged = placed(BroadcastKind::chat);
  forged.signature = sign_broadcast({bert, "lab"}, own);
  CHECK_FALSE(is_proven(forged, "lab"));
  // With the key that fits the signature it is not that node's.
  forged.key = bert.public_key();
  CHECK_FALSE(is_proven(forged, "lab"));
  forged.id.sender = node_id_of(bert.public_key());
  CHECK(is_proven(forged, "lab"));
  // Nor with a key that is none.
  forged.key = {1};
  forged.id.sender = node_id_of(forged.key);
  CHECK_FALSE(is_proven(forged, "lab"));
}

TEST_CASE_FIXTURE(Said, "place and nick are the supernode's: a message keeps its proof elsewhere") {
  Ordered message = placed();
  message.place = {{9}, {900}};
  message.nick = "anna-2";
  CHECK(is_proven(message, "lab"));
}

TEST_CASE_FIXTURE(Said, "the same message is signed alike every time, and the wire keeps it") {
  CHECK(placed().signature == placed().signature);
  const auto read = decode(encode(placed()));
  REQUIRE(read);
  CHECK(is_proven(std::get<Ordered>(*read), "lab"));
}

TEST_CASE("the broadcast in WIRE.md is what is signed, and proven") {
  auto vectors = mrt::test::read_vectors();
  auto& [bytes, meaning] = vectors.at("overlay-ordered");
  mrt::Reader in(bytes);
  const auto message = decode(in.sized_bytes(message_bytes_max));
  REQUIRE(message);
  const auto& placed = std::get<Ordered>(*message);
  const mrt::Bytes raw = mrt::from_hex(meaning["sender_seed"]).value();
  mrt::Random::Seed seed{};
  REQUIRE(raw.size() == seed.size());
  std::copy(raw.begin(), raw.end(), seed.begin());
  const mrt::Identity sender(seed);
  const Publish said{placed.id.incarnation, placed.id.number, placed.kind, placed.body};
  CHECK(placed.key == sender.public_key());
  CHECK(mrt::to_hex(placed.signature) ==
        mrt::to_hex(sign_broadcast({sender, meaning["network"]}, said)));
  CHECK(is_proven(placed, meaning["network"]));
}
