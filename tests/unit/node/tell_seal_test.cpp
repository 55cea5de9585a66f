// SPDX-License-Identifier: MIT
#include "node/tell_seal.h"

#include <doctest/doctest.h>

#include "support/vectors.h"

using namespace node;

namespace {

mrt::Random::Seed seed(uint8_t byte) {
  mrt::Random::Seed out;
  out.fill(byte);
  return out;
}

mrt::SecretArray<32> ephemeral(uint8_t byte) { return mrt::SecretArray<32>(seed(byte)); }

/// Anna (life 7) writes to Bert (life 8); Carl is somebody else.
struct Two {
  mrt::Identity anna{seed(1)};
  mrt::Identity bert{seed(2)};
  mrt::Identity carl{seed(4)};
  Incarnation anna_life{7};
  Incarnation bert_life{8};

  TellEnd anna_end() const { return {anna.public_key(), anna_life}; }
  TellEnd bert_end() const { return {bert.public_key(), bert_life}; }
  Tell seal(std::string_view text, uint64_t number = 5) const {
    return seal_tell(anna, anna_life, bert_end(), number, text, ephemeral(3)).value();
  }
  std::optional<std::string> open(const Tell& message) const {
    return open_tell(bert, bert_life, anna_end(), message);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Two, "what is sealed for a node is opened by it, whatever its length") {
  for (const size_t size : {0u, 1u, 62u, 63u, 64u, 65u, 1000u, 65'536u}) {
    const std::string text(size, 'x');
    const Tell message = seal(text);
    CHECK(message.sealed.size() <= sealed_tell_bytes_max);
    CHECK(open(message) == text);
  }
}

TEST_CASE_FIXTURE(Two, "a text's length is seen only in steps of 64 bytes") {
  CHECK(seal("").sealed.size() == seal(std::string(63, 'x')).sealed.size());
  CHECK(seal(std::string(63, 'x')).sealed.size() + 64 == seal(std::string(64, 'x')).sealed.size());
}

TEST_CASE_FIXTURE(Two, "museum: a relay learns nothing of a private message (croc 2023)") {
  const std::string text = "meet me where the pole star stands";
  const mrt::Bytes wire = encode(seal(text));
  CHECK(std::string(mrt::as_text(wire)).find("pole star") == std::string::npos);
  // The same text twice is two different messages to whoever looks on.
  const auto again = seal_tell(anna, anna_life, bert_end(), 5, text, ephemeral(9)).value();
  CHECK(again.sealed != seal(text).sealed);
}

TEST_CASE_FIXTURE(Two, "a change of any bit of a sealed message is noticed") {
  const Tell message = seal("psst");
  for (size_t i = 0; i < message.sealed.size() * 8; ++i) {
    Tell changed = message;
    changed.sealed[i / 8] ^= static_cast<uint8_t>(1u << i % 8);
    REQUIRE_FALSE(open(changed));
  }
  for (size_t i = 0; i < message.ephemeral.size() * 8; ++i) {
    Tell changed = message;
    changed.ephemeral[i / 8] ^= static_cast<uint8_t>(1u << i % 8);
    // X25519 does not look at the highest bit (RFC 7748 section 5), but the salt does.
    REQUIRE_FALSE(open(changed));
  }
  for (size_t size = 0; size < message.sealed.size(); ++size) {
    Tell changed = message;
    changed.sealed.resize(size);
    REQUIRE_FALSE(open(changed));
  }
}

TEST_CASE_FIXTURE(Two, "who, in which lives, and as which number is under the seal") {
  const Tell message = seal("psst");
  Tell changed = message;
  changed.number = 6;
  CHECK_FALSE(open(changed));
  changed = message;
  changed.from = node_id_of(carl.public_key());
  CHECK_FALSE(open(changed));
  changed = message;
  changed.to = changed.from;
  CHECK_FALSE(open(changed));
  CHECK_FALSE(open_tell(bert, {9}, anna_end(), message));
  CHECK_FALSE(open_tell(bert, bert_life, {anna.public_key(), {9}}, message));
  CHECK(open(message) == "psst");
}

TEST_CASE_FIXTURE(Two, "only the node that it is for opens it") {
  const Tell message = seal("psst");
  CHECK_FALSE(open_tell(carl, bert_life, anna_end(), message));
  // Not even the sender, to whom it may come back.
  CHECK_FALSE(open_tell(anna, anna_life, bert_end(), message));
  CHECK_FALSE(open_tell(anna, anna_life, anna_end(), message));
}

TEST_CASE_FIXTURE(Two, "nobody seals in another's name") {
  const auto forged = seal_tell(carl, anna_life, bert_end(), 5, "psst", ephemeral(3)).value();
  CHECK_FALSE(open(forged));
  Tell renamed = forged;
  renamed.from = node_id_of(anna.public_key());
  CHECK_FALSE(open(renamed));
}

TEST_CASE_FIXTURE(Two, "keys that are none are refused at both ends") {
  mrt::PublicKey zero{};
  mrt::PublicKey one{1};  // the neutral element
  for (const mrt::PublicKey& key : {zero, one}) {
    CHECK_FALSE(seal_tell(anna, anna_life, {key, bert_life}, 1, "psst", ephemeral(3)));
    CHECK_FALSE(open_tell(bert, bert_life, {key, anna_life}, seal("psst")));
    Tell message = seal("psst");
    message.ephemeral = key;  // of small order: the exchanged secret would be zero
    CHECK_FALSE(open(message));
  }
}

TEST_CASE("the sealed message in WIRE.md is what is sealed and opened") {
  auto vectors = mrt::test::read_vectors();
  auto& [bytes, meaning] = vectors.at("overlay-tell");
  const auto key = [&](const char* name) {
    const mrt::Bytes raw = mrt::from_hex(meaning[name]).value();
    mrt::Random::Seed out{};
    REQUIRE(raw.size() == out.size());
    std::copy(raw.begin(), raw.end(), out.begin());
    return out;
  };
  const mrt::Identity from(key("sender_seed"));
  const mrt::Identity to(key("receiver_seed"));
  const Incarnation from_life{std::stoull(meaning["sender_life"])};
  const Incarnation to_life{std::stoull(meaning["receiver_life"])};
  const auto sealed =
      seal_tell(from, from_life, {to.public_key(), to_life}, std::stoull(meaning["number"]),
                meaning["text"], mrt::SecretArray<32>(key("ephemeral_secret")))
          .value();
  CHECK(mrt::to_hex(encode_framed(sealed)) == mrt::to_hex(bytes));
  CHECK(open_tell(to, to_life, {from.public_key(), from_life}, sealed) == meaning["text"]);
}
