// SPDX-License-Identifier: MIT
#include "mrt/agreement.h"

#include <doctest/doctest.h>

#include <functional>
#include <set>

#include "mrt/wire.h"

using namespace mrt;

namespace {

NetworkKey password(std::string_view text) {
  return {Access::password, {text.begin(), text.end()}};
}

bool same(const HandshakeSecrets& a, const HandshakeSecrets& b) {
  return a.confirmation == b.confirmation &&
         to_hex(a.to_responder.view()) == to_hex(b.to_responder.view()) &&
         to_hex(a.to_initiator.view()) == to_hex(b.to_initiator.view());
}

/// One handshake with a wire between that may change either packet.
struct Exchange {
  NetworkKey caller_key = password("open up");
  NetworkKey listener_key = password("open up");
  std::string caller_network = "lab";
  std::string listener_network = "lab";
  std::function<void(Bytes&)> on_rcon;
  std::function<void(Bytes&)> on_acon;

  Rcon rcon;
  Acon acon;
  Bytes cookie;
  std::optional<Call> call;
  std::optional<Agreed> caller;
  std::optional<Agreed> listener;
  bool acon_arrived = false;

  explicit Exchange(uint64_t seed = 1) : random(seed_from(seed)) {}

  void run() {
    rcon.scid = random.u64() | 1;
    rcon.id = random.array<16>();
    rcon.suites = suite_aes_128_gcm | suite_chacha20_poly1305;
    rcon.cookie = cookie;
    Builder parameters;
    write_parameters(parameters, {});
    rcon.parameters = parameters.take();
    call.emplace(caller_key, caller_network, rcon, random);

    Bytes packet = write_packet(rcon);
    if (on_rcon) on_rcon(packet);
    seal_long(packet);
    const auto heard = read_rcon(packet);
    if (!heard) return;
    acon.dcid = heard->scid;
    acon.scid = random.u64() | 1;
    acon.initiator_id = heard->id;
    acon.responder_id = random.array<16>();
    acon.suite = suite_chacha20_poly1305;
    acon.parameters = heard->parameters;
    listener = answer_call(listener_key, listener_network, random, *heard, acon);
    if (!listener) return;
    Bytes answer = write_packet(acon);
    if (on_acon) on_acon(answer);
    seal_long(answer);
    const auto answered = read_acon(answer);
    if (!answered) return;
    acon_arrived = true;
    caller = call->finish(rcon, *answered);
  }

  bool agreed() const {
    return caller && listener && caller->transcript == listener->transcript &&
           same(caller->secrets, listener->secrets);
  }

  Random random;
};

constexpr std::array<uint8_t, 3> masks{0x01, 0x10, 0x80};

// Where the handshake bytes of RCON and ACON end: behind them is padding.
size_t said_bytes(const Rcon& rcon) {
  return long_header_bytes + 16 + 1 + 1 + rcon.parameters.size() + 1 + rcon.cookie.size() + 1 +
         rcon.handshake.size();
}
size_t said_bytes(const Acon& acon) {
  return long_header_bytes + 32 + 1 + 1 + acon.parameters.size() + 2 + acon.handshake.size();
}

const Identity& someone() {
  static const Identity identity(seed_from(70));
  return identity;
}
const TranscriptHash transcript = Random(seed_from(71)).array<32>();
const ResetToken token = Random(seed_from(72)).array<16>();

}  // namespace

TEST_CASE("who knows the same of the same network agrees, whatever the kind of access") {
  for (const NetworkKey& key : {NetworkKey{}, NetworkKey{Access::secret, Bytes(16, 7)},
                                password("open up"), password("")}) {
    Exchange exchange;
    exchange.caller_key = exchange.listener_key = key;
    exchange.run();
    CHECK(exchange.agreed());
  }
}

TEST_CASE("another secret, another kind of access or another network gives no keys") {
  const NetworkKey right = password("open up");
  const auto meet = [&](const NetworkKey& caller, const NetworkKey& listener,
                        std::string_view caller_network, std::string_view listener_network) {
    Exchange exchange;
    exchange.caller_key = caller;
    exchange.listener_key = listener;
    exchange.caller_network = caller_network;
    exchange.listener_network = listener_network;
    exchange.run();
    CHECK(exchange.acon_arrived);
    CHECK_FALSE(exchange.caller);
  };
  meet(password("open uP"), right, "lab", "lab");
  meet(password("open u"), right, "lab", "lab");
  meet(password(""), right, "lab", "lab");
  meet({Access::secret, right.secret}, right, "lab", "lab");
  meet(right, {Access::secret, right.secret}, "lab", "lab");
  meet({}, right, "lab", "lab");
  meet(right, {}, "lab", "lab");
  meet(right, right, "lab", "lab2");
  meet(right, right, "lab2", "lab");
  meet(right, right, "lab", "");
  meet({}, {}, "lab", "Lab");
  // A guest shows nothing: that its config holds a secret beside does not matter.
  Exchange guest;
  guest.caller_key = {Access::open, Bytes(16, 1)};
  guest.listener_key = {};
  guest.run();
  CHECK(guest.agreed());
}

TEST_CASE("every byte of an RCON that is changed on its way leaves no keys") {
  Exchange honest;
  honest.cookie = {1, 2, 3};
  honest.run();
  REQUIRE(honest.agreed());
  const size_t said = said_bytes(honest.rcon);
  const size_t cookie_at = said - honest.rcon.handshake.size() - 1 - 3;
  size_t answered = 0;
  for (size_t at = 0; at < said; ++at) {
    // The version byte is the endpoint's business; the cookie is not part of what is said.
    if (at == 1 || (at >= cookie_at && at < cookie_at + 3)) continue;
    for (const uint8_t mask : masks) {
      CAPTURE(at);
      Exchange exchange;
      exchange.cookie = honest.cookie;
      exchange.on_rcon = [&](Bytes& packet) { packet[at] ^= mask; };
      exchange.run();
      CHECK_FALSE(exchange.caller);
      answered += exchange.acon_arrived ? 1 : 0;
      // What the listener has is nobody's: the caller's would be the honest ones.
      if (exchange.listener) CHECK_FALSE(same(exchange.listener->secrets, honest.caller->secrets));
    }
  }
  CHECK(answered > 100);  // most changes are noticed by the keys, not by a parser
}

TEST_CASE("every byte of an ACON that is changed on its way leaves the caller without keys") {
  Exchange honest;
  honest.run();
  REQUIRE(honest.agreed());
  size_t arrived = 0;
  for (size_t at = 0; at < said_bytes(honest.acon); ++at) {
    if (at == 1) continue;
    for (const uint8_t mask : masks) {
      CAPTURE(at);
      Exchange exchange;
      exchange.on_acon = [&](Bytes& packet) { packet[at] ^= mask; };
      exchange.run();
      CHECK_FALSE(exchange.caller);
      arrived += exchange.acon_arrived ? 1 : 0;
    }
  }
  CHECK(arrived > 200);
}

TEST_CASE("a cookie that is put in, changed or taken out on the way changes nothing") {
  for (const Bytes& put : {Bytes{}, Bytes{9}, Bytes(64, 5)}) {
    Exchange exchange;
    exchange.cookie = {1, 2, 3};
    exchange.on_rcon = [&](Bytes& packet) {
      seal_long(packet);
      auto rcon = *read_rcon(packet);
      rcon.cookie = put;
      packet = write_packet(rcon);
    };
    exchange.run();
    CHECK(exchange.agreed());
  }
}

TEST_CASE("a share that is no point, or the neutral one, gives nothing and nobody falls over it") {
  std::vector<CpaceShare> bad(6);  // [0]: all zero, the neutral element
  bad[1].fill(0xff);               // beyond the field
  bad[2] = {0x01};                 // negative: not what the group encodes
  bad[3] = CpaceRun({}, SecretArray<32>(CpaceShare{3})).share();
  bad[3][31] |= 0x80;  // a second form of a valid share
  bad[4] = {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};  // p: zero again
  bad[5] = {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
            0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
            0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05};  // Ed25519, order 8
  for (const CpaceShare& share : bad) {
    CAPTURE(to_hex(share));
    Exchange to_listener;
    to_listener.on_rcon = [&](Bytes& packet) {
      seal_long(packet);
      auto rcon = *read_rcon(packet);
      std::copy(share.begin(), share.end(), rcon.handshake.end() - 32);
      packet = write_packet(rcon);
    };
    to_listener.run();
    CHECK_FALSE(to_listener.listener);
    CHECK_FALSE(to_listener.caller);
    Exchange to_caller;
    to_caller.on_acon = [&](Bytes& packet) {
      seal_long(packet);
      auto acon = *read_acon(packet);
      std::copy(share.begin(), share.end(), acon.handshake.begin());
      packet = write_packet(acon);
    };
    to_caller.run();
    CHECK(to_caller.acon_arrived);
    CHECK_FALSE(to_caller.caller);
  }
}

TEST_CASE("handshake bytes of another length are no offer and no answer") {
  Exchange exchange;
  exchange.run();
  REQUIRE(exchange.agreed());
  for (size_t size = 0; size <= exchange.rcon.handshake.size() + 1; ++size) {
    Rcon rcon = exchange.rcon;
    rcon.handshake.resize(size);
    CHECK(read_offer(rcon.handshake).has_value() == (size == exchange.rcon.handshake.size()));
    if (size == exchange.rcon.handshake.size()) continue;
    Acon acon;
    CHECK_FALSE(answer_call(exchange.listener_key, "lab", exchange.random, rcon, acon));
  }
  for (size_t size = 0; size <= exchange.acon.handshake.size() + 1; ++size) {
    Acon acon = exchange.acon;
    acon.handshake.resize(size);
    CHECK(exchange.call->finish(exchange.rcon, acon).has_value() ==
          (size == exchange.acon.handshake.size()));
  }
  Bytes unknown_kind = exchange.rcon.handshake;
  unknown_kind[0] = 3;
  CHECK_FALSE(read_offer(unknown_kind));
}

TEST_CASE("an ACON of another run does not fit, though both know the password") {
  Exchange first(1);
  Exchange second(2);
  first.run();
  second.run();
  REQUIRE(first.agreed());
  REQUIRE(second.agreed());
  CHECK_FALSE(second.call->finish(second.rcon, first.acon));
  // Nor where the recorded one is dressed up as an answer to this call.
  Acon dressed = first.acon;
  dressed.dcid = second.rcon.scid;
  dressed.initiator_id = second.rcon.id;
  CHECK_FALSE(second.call->finish(second.rcon, dressed));
  CHECK(second.call->finish(second.rcon, second.acon));
}

TEST_CASE("a caller's own share sent back to it gives no keys") {
  Exchange exchange;
  exchange.run();
  REQUIRE(exchange.agreed());
  Acon mirrored = exchange.acon;
  std::copy(exchange.rcon.handshake.end() - 32, exchange.rcon.handshake.end(),
            mirrored.handshake.begin());
  CHECK_FALSE(exchange.call->finish(exchange.rcon, mirrored));
}

TEST_CASE("keys are another for each direction and each run") {
  std::set<std::string> seen;
  constexpr uint64_t runs = 20;
  for (uint64_t seed = 1; seed <= runs; ++seed) {
    Exchange exchange(seed);
    exchange.run();
    REQUIRE(exchange.agreed());
    const HandshakeSecrets& secrets = exchange.caller->secrets;
    seen.insert(to_hex(secrets.to_responder.view()));
    seen.insert(to_hex(secrets.to_initiator.view()));
    seen.insert(to_hex(secrets.confirmation));
    seen.insert(to_hex(exchange.caller->transcript));
  }
  CHECK(seen.size() == 4 * runs);
}

TEST_CASE("the hint tells networks apart, and is another for each call") {
  Exchange exchange(1);
  exchange.run();
  const auto offer = read_offer(exchange.rcon.handshake);
  REQUIRE(offer);
  CHECK(hint_fits(*offer, exchange.rcon.id, "lab"));
  CHECK_FALSE(hint_fits(*offer, exchange.rcon.id, "lab2"));
  CHECK_FALSE(hint_fits(*offer, exchange.rcon.id, ""));
  HandshakeId other = exchange.rcon.id;
  other[0] ^= 1;
  CHECK_FALSE(hint_fits(*offer, other, "lab"));
}

TEST_CASE("a proof of identity holds for its role, transcript and key, and gives the token") {
  const Bytes proof =
      write_proof(prove_identity(someone(), HandshakeRole::initiator, transcript, token));
  const auto checked = check_proof(proof, HandshakeRole::initiator, transcript);
  REQUIRE(checked);
  CHECK(checked->key == someone().public_key());
  CHECK(checked->reset_token == token);
  CHECK_FALSE(check_proof(proof, HandshakeRole::responder, transcript));
  TranscriptHash other = transcript;
  other[31] ^= 1;
  CHECK_FALSE(check_proof(proof, HandshakeRole::initiator, other));
  // Somebody else's key over a signature that is right for its owner.
  IdentityProof stolen = *checked;
  stolen.key = Identity(seed_from(73)).public_key();
  CHECK_FALSE(check_proof(write_proof(stolen), HandshakeRole::initiator, transcript));
}

TEST_CASE("a proof of identity that is cut, longer or changed in a bit proves nothing") {
  const Bytes proof =
      write_proof(prove_identity(someone(), HandshakeRole::responder, transcript, token));
  for (size_t size = 0; size < proof.size(); ++size)
    CHECK_FALSE(check_proof(ByteView(proof).first(size), HandshakeRole::responder, transcript));
  Bytes longer = proof;
  longer.push_back(0);
  CHECK_FALSE(check_proof(longer, HandshakeRole::responder, transcript));
  // The token is not signed: it is only ever read from a packet that the peer has sealed.
  const size_t signed_bytes = sizeof(PublicKey) + sizeof(Signature);
  for (size_t bit = 0; bit < signed_bytes * 8; ++bit) {
    Bytes changed = proof;
    changed[bit / 8] = static_cast<uint8_t>(changed[bit / 8] ^ 1u << bit % 8);
    CHECK_FALSE(check_proof(changed, HandshakeRole::responder, transcript));
  }
  CHECK(check_proof(proof, HandshakeRole::responder, transcript));
}

TEST_CASE("a line of the key log holds both traffic secrets and nothing of the password") {
  Exchange exchange;
  exchange.run();
  REQUIRE(exchange.agreed());
  const HandshakeSecrets& secrets = exchange.caller->secrets;
  const std::string line = keylog_line(exchange.rcon.id, Cipher::chacha20_poly1305, secrets);
  CHECK(line == "mrt1 " + to_hex(exchange.rcon.id) + " chacha20-poly1305 " +
                    to_hex(secrets.to_responder.view()) + " " +
                    to_hex(secrets.to_initiator.view()));
  CHECK(line.find(to_hex(as_bytes("open up"))) == std::string::npos);
}
