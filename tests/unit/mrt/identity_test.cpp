// SPDX-License-Identifier: MIT
#include "mrt/identity.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>

using namespace mrt;

namespace {

template <size_t N>
std::array<uint8_t, N> array_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  REQUIRE(bytes->size() == N);
  std::array<uint8_t, N> out;
  std::copy(bytes->begin(), bytes->end(), out.begin());
  return out;
}

struct Rfc8032 {
  const char* seed;
  const char* public_key;
  const char* message;
  const char* signature;
};

// RFC 8032 section 7.1, tests 1 to 3.
const Rfc8032 vectors[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9"
     "b46bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f1"
     "1d8c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984d"
     "c6594a7c15e9716ed28dc027beceea1ec40a"},
};

// (B, 1): with the neutral element as the key it satisfies [S]B = R + [h]A for every message,
// and with keys of order 2, 4 and 8 for one message in so many.
const std::string base_point_and_one =
    "5866666666666666666666666666666666666666666666666666666666666666"
    "0100000000000000000000000000000000000000000000000000000000000000";

}  // namespace

TEST_CASE("identities and signatures are RFC 8032's") {
  for (const Rfc8032& vector : vectors) {
    const Identity identity(array_of<32>(vector.seed));
    CHECK(to_hex(identity.public_key()) == vector.public_key);
    CHECK(to_hex(identity.secret_key().view()) == std::string(vector.seed) + vector.public_key);
    const Bytes message = from_hex(vector.message).value();
    const Signature signature = identity.sign(message);
    CHECK(to_hex(signature) == vector.signature);
    CHECK(is_signed_by(identity.public_key(), message, signature));
  }
}

TEST_CASE("a signature holds for no other message and no other key") {
  const Identity one(seed_from(1));
  const Identity two(seed_from(2));
  const Bytes message(100, 7);
  const Signature signature = one.sign(message);
  CHECK_FALSE(is_signed_by(two.public_key(), message, signature));
  for (size_t i = 0; i < message.size(); ++i) {
    Bytes other = message;
    other[i] ^= 1;
    CHECK_FALSE(is_signed_by(one.public_key(), other, signature));
  }
  CHECK_FALSE(is_signed_by(one.public_key(), ByteView(message).first(99), signature));
}

TEST_CASE("no bit of a signature or of the key can be changed") {
  const Identity identity(seed_from(3));
  const Bytes message(32, 9);
  const Signature signature = identity.sign(message);
  for (size_t bit = 0; bit < 8 * signature.size(); ++bit) {
    Signature other = signature;
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    CHECK_FALSE(is_signed_by(identity.public_key(), message, other));
  }
  for (size_t bit = 0; bit < 8 * sizeof(PublicKey); ++bit) {
    PublicKey other = identity.public_key();
    other[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    CHECK_FALSE(is_signed_by(other, message, signature));
  }
}

TEST_CASE("a second form of a signature, S plus the group's order, is refused") {
  // RFC 8032 section 5.1.7: S is decoded "in the range 0 <= s < L".
  const Identity identity(seed_from(4));
  const Bytes message(8, 1);
  Signature signature = identity.sign(message);
  const auto order =
      array_of<32>("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
  unsigned carry = 0;
  for (size_t i = 0; i < order.size(); ++i) {
    carry += unsigned{signature[32 + i]} + order[i];
    signature[32 + i] = static_cast<uint8_t>(carry);
    carry >>= 8;
  }
  REQUIRE(carry == 0);
  CHECK_FALSE(is_signed_by(identity.public_key(), message, signature));
}

TEST_CASE("keys of small order and keys that are not canonical sign nothing") {
  // The eight points of small order in all their encodings, also those of y + p.
  const char* keys[] = {
      "0100000000000000000000000000000000000000000000000000000000000000",  // order 1
      "0100000000000000000000000000000000000000000000000000000000000080",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  // order 2
      "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "0000000000000000000000000000000000000000000000000000000000000000",  // order 4
      "0000000000000000000000000000000000000000000000000000000000000080",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
      "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",  // order 8
      "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
  };
  for (const char* key : keys) {
    CAPTURE(key);
    for (uint8_t i = 0; i < 64; ++i) {
      const Bytes message(4, i);
      CHECK_FALSE(is_signed_by(array_of<32>(key), message, array_of<64>(base_point_and_one)));
    }
  }
}
