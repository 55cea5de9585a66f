// SPDX-License-Identifier: MIT
#include "mrt/key_schedule.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <string>

using namespace mrt;

namespace {

Bytes bytes_of(const std::string& hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  return *bytes;
}

struct Rfc5869 {
  std::string key;
  std::string salt;
  std::string info;
  std::string extracted;
  std::string expanded;
};

// RFC 5869 appendix A.1 to A.3: the cases with SHA-256.
const Rfc5869 vectors[] = {
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c",
     "f0f1f2f3f4f5f6f7f8f9", "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
     "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
    {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d"
     "2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
     "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d"
     "8e8f909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
     "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdd"
     "dedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
     "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
     "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e59"
     "0e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
    {"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
     "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
     "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

}  // namespace

TEST_CASE("SHA-256 is FIPS 180's") {
  CHECK(to_hex(sha256(as_bytes("abc"))) ==
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(to_hex(sha256({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST_CASE("extract and expand are RFC 5869's") {
  for (const Rfc5869& vector : vectors) {
    const Secret extracted = hkdf_extract(bytes_of(vector.salt), bytes_of(vector.key));
    CHECK(to_hex(extracted.view()) == vector.extracted);
    Bytes expanded(vector.expanded.size() / 2);
    const Bytes info = bytes_of(vector.info);
    hkdf_expand(extracted, as_text(info), expanded);
    CHECK(to_hex(expanded) == vector.expanded);
  }
}

TEST_CASE("what is expanded begins alike, however much is asked for") {
  const Secret secret = hkdf_extract({}, as_bytes("key"));
  Bytes whole(255 * 32);
  hkdf_expand(secret, "label", whole);
  for (const size_t size : {0u, 1u, 12u, 16u, 31u, 32u, 33u, 64u, 65u, 1'000u}) {
    Bytes part(size);
    hkdf_expand(secret, "label", part);
    CHECK(std::equal(part.begin(), part.end(), whole.begin()));
  }
  const Secret short_form = hkdf_expand(secret, "label");
  CHECK(std::equal(whole.begin(), whole.begin() + 32, short_form.data()));
  // No block of it comes twice, the last included.
  std::set<Bytes> blocks;
  for (size_t at = 0; at < whole.size(); at += 32) {
    blocks.emplace(whole.begin() + static_cast<std::ptrdiff_t>(at),
                   whole.begin() + static_cast<std::ptrdiff_t>(at + 32));
  }
  CHECK(blocks.size() == 255);
}

TEST_CASE("a handshake's secrets follow from key and transcript by their labels") {
  // Made with another implementation of HKDF: key 00 01 .. 3f, transcript SHA-256("abc").
  Bytes exchanged(64);
  for (size_t i = 0; i < exchanged.size(); ++i) exchanged[i] = static_cast<uint8_t>(i);
  const HandshakeSecrets secrets = derive_secrets(exchanged, sha256(as_bytes("abc")));
  CHECK(to_hex(secrets.confirmation) ==
        "ce6b7faa324bd4725ea3792683d29e8699f345ba443c9fc464d56b8e455efb94");
  CHECK(to_hex(secrets.to_responder.view()) ==
        "8ece2d4eb302ae42b51396b4545dee7a59d0fba8cf2812516f9d7fd26c68c889");
  CHECK(to_hex(secrets.to_initiator.view()) ==
        "a76bc183e25b340ff021031b6a13215c220582319072935c946468fdd4bfaaa5");
}

TEST_CASE("another key or another transcript changes every secret") {
  Bytes exchanged(64, 1);
  TranscriptHash transcript = sha256({});
  std::set<std::string> seen;
  const auto note = [&] {
    const HandshakeSecrets secrets = derive_secrets(exchanged, transcript);
    seen.insert(to_hex(secrets.confirmation));
    seen.insert(to_hex(secrets.to_responder.view()));
    seen.insert(to_hex(secrets.to_initiator.view()));
  };
  note();
  exchanged[63] ^= 1;
  note();
  transcript[0] ^= 0x80;
  note();
  CHECK(seen.size() == 9);
}
