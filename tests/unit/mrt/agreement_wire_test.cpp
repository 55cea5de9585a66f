// SPDX-License-Identifier: MIT
//
// The agreement of docs/WIRE.md 3.10, byte for byte.
#include "mrt/agreement.h"
#include "mrt/wire.h"
#include "support/vectors.h"

#include <doctest/doctest.h>

namespace mrt::test {

namespace {

struct Vectors {
  std::map<std::string, Vector> all = read_vectors();
  std::map<std::string, std::string>& meaning = all.at("agreement").meaning;
  Bytes rcon = all.at("agreement-rcon").bytes;
  Bytes acon = all.at("agreement-acon").bytes;
  Bytes packet = all.at("agreement-packet").bytes;

  Random random(const std::string& whose) {
    return Random(seed_from(std::stoull(meaning[whose + "_seed"])));
  }
  NetworkKey key() {
    const ByteView password = as_bytes(meaning["password"]);
    return {Access::password, Bytes(password.begin(), password.end())};
  }
};

}  // namespace

TEST_CASE("caller and listener say what WIRE.md says, and agree on its secrets") {
  Vectors vectors;
  Random initiator = vectors.random("initiator");
  Random responder = vectors.random("responder");
  auto rcon = read_rcon(vectors.rcon);
  auto acon = read_acon(vectors.acon);
  REQUIRE(rcon);
  REQUIRE(acon);
  const Call call(vectors.key(), vectors.meaning["network"], *rcon, initiator);
  CHECK(write_packet(*rcon) == vectors.rcon);
  const auto there =
      answer_call(vectors.key(), vectors.meaning["network"], responder, *rcon, *acon);
  CHECK(write_packet(*acon) == vectors.acon);
  const auto here = call.finish(*rcon, *acon);
  REQUIRE(there);
  REQUIRE(here);
  for (const Agreed& agreed : {*here, *there}) {
    CHECK(to_hex(agreed.transcript) == vectors.meaning["transcript"]);
    CHECK(to_hex(agreed.secrets.confirmation) == vectors.meaning["confirmation"]);
    CHECK(to_hex(agreed.secrets.to_responder.view()) == vectors.meaning["to_responder"]);
    CHECK(to_hex(agreed.secrets.to_initiator.view()) == vectors.meaning["to_initiator"]);
  }
}

TEST_CASE("keys and the first packet are those of WIRE.md") {
  Vectors vectors;
  Secret secret;
  const auto bytes = from_hex(vectors.meaning["to_responder"]);
  REQUIRE((bytes && bytes->size() == secret.size()));
  std::copy(bytes->begin(), bytes->end(), secret.data());
  CipherPool pool;
  const AeadKey aes = pool.derive(Cipher::aes_128_gcm, secret);
  const AeadKey chacha = pool.derive(Cipher::chacha20_poly1305, secret);
  CHECK(to_hex(aes.key.view().first(16)) == vectors.meaning["aes_key"]);
  CHECK(to_hex(chacha.key.view()) == vectors.meaning["chacha_key"]);
  CHECK(to_hex(aes.iv) == vectors.meaning["iv"]);

  Bytes packet = vectors.packet;
  const auto header = read_short_header(packet);
  REQUIRE(header);
  REQUIRE(pool.open(aes, header->number_truncated, header->size(), packet));
  const ByteView frames = ByteView(packet).subspan(
      header->size(), packet.size() - header->size() - trailer_bytes);
  CHECK(to_hex(frames) == vectors.all.at("agreement-packet").meaning["frames"]);
  Reader in(frames);
  const auto frame = read_frame(in);
  REQUIRE((frame && std::holds_alternative<AuthFrame>(*frame)));
  TranscriptHash transcript;
  const auto hash = from_hex(vectors.meaning["transcript"]);
  std::copy(hash->begin(), hash->end(), transcript.begin());
  const auto proof =
      check_proof(std::get<AuthFrame>(*frame).bytes, HandshakeRole::initiator, transcript);
  REQUIRE(proof);
  CHECK(proof->key == Identity(seed_from(3)).public_key());
  CHECK(proof->reset_token[15] == 0xaf);
}

}  // namespace mrt::test
