// SPDX-License-Identifier: MIT
//
// The key exchange (WIRE.md 3.10) with somebody in the middle: both sides have the same keys if
// nothing was changed on the way, and none in common whatever else was done.
#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/agreement.h"
#include "mrt/base/check.h"
#include "mrt/wire.h"

namespace fuzz {

using namespace mrt;

namespace {

constexpr std::string_view network = "lab";

NetworkKey key_of(uint8_t draw) {
  const auto access = static_cast<Access>(draw % 3);
  if (access == Access::open) return {};
  return {access, Bytes(1 + draw / 3 % 4, 'k')};
}

/// Some bytes are xored; true where that changed any.
bool change(Bytes& bytes, Reader& script) {
  bool changed = false;
  for (size_t n = script.u8() % 4; n > 0 && !bytes.empty(); --n) {
    const size_t at = script.u16() % bytes.size();
    const uint8_t with = script.u8();
    bytes[at] = static_cast<uint8_t>(bytes[at] ^ with);
    changed |= with != 0;
  }
  return changed;
}

bool same(const Agreed& a, const Agreed& b) {
  return a.transcript == b.transcript &&
         std::ranges::equal(a.secrets.to_responder.view(), b.secrets.to_responder.view()) &&
         std::ranges::equal(a.secrets.to_initiator.view(), b.secrets.to_initiator.view());
}

/// What was read of the middle's bytes; nothing where it is no packet any more.
template <class Packet>
std::optional<Packet> through_the_middle(const Packet& sent, Reader& script,
                                         std::optional<Packet> (*read)(ByteView)) {
  Bytes bytes = write_packet(sent);
  // The zeros behind the fields are nobody's: only what is looked at is changed.
  const ByteView end = ByteView(bytes).first(bytes.size() - trailer_bytes);
  const auto used = std::find_if(end.rbegin(), end.rend(), [](uint8_t b) { return b != 0; });
  Bytes fields(end.begin(), used.base());
  change(fields, script);
  std::ranges::copy(fields, bytes.begin());
  seal_long(bytes);
  return read(bytes);
}

void check_proofs(ByteView bytes, const Agreed& agreed) {
  for (const HandshakeRole role : {HandshakeRole::initiator, HandshakeRole::responder})
    CHECK(!check_proof(bytes, role, agreed.transcript));  // nobody signed these
  const Identity identity(seed_from(9));
  const IdentityProof proof =
      prove_identity(identity, HandshakeRole::initiator, agreed.transcript, {});
  Bytes written = write_proof(proof);
  CHECK(written.size() <= auth_bytes_max);
  CHECK(check_proof(written, HandshakeRole::initiator, agreed.transcript));
  CHECK(!check_proof(written, HandshakeRole::responder, agreed.transcript));
  Reader script(bytes);
  Bytes signed_part(written.begin(), written.begin() + 32 + 64);  // key and signature
  if (!change(signed_part, script)) return;
  const bool differs = !std::equal(signed_part.begin(), signed_part.end(), written.begin());
  std::ranges::copy(signed_part, written.begin());
  CHECK(!differs || !check_proof(written, HandshakeRole::initiator, agreed.transcript));
}

}  // namespace

void handshake(ByteView input) {
  Reader script(input);
  Random random(seed_from(1));
  const uint8_t keys = script.u8();
  const NetworkKey ours = key_of(keys);
  const NetworkKey theirs = script.u8() % 2 == 0 ? ours : key_of(script.u8());

  Rcon rcon;
  rcon.scid = 1;
  rcon.id = random.array<16>();
  rcon.suites = suite_aes_128_gcm | suite_chacha20_poly1305;
  rcon.parameters = {2, 2, 0x41, 0};
  const Call call(ours, network, rcon, random);
  CHECK(read_offer(rcon.handshake) && hint_fits(*read_offer(rcon.handshake), rcon.id, network));

  const auto arrived = through_the_middle(rcon, script, read_rcon);
  if (!arrived) return;
  Acon acon;
  acon.dcid = arrived->scid;
  acon.scid = 2;
  acon.initiator_id = arrived->id;
  acon.responder_id = random.array<16>();
  acon.suite = suite_aes_128_gcm;
  const auto answered = answer_call(theirs, network, random, *arrived, acon);
  CHECK(!answered || read_offer(arrived->handshake));
  if (!answered) return;
  const auto answer = through_the_middle(acon, script, read_acon);
  if (!answer) return;
  const auto agreed = call.finish(rcon, *answer);

  // The cookie alone is not part of what was said.
  Rcon compared = *arrived;
  compared.cookie = rcon.cookie;
  const bool untouched =
      write_packet(compared) == write_packet(rcon) && write_packet(*answer) == write_packet(acon);
  CHECK(agreed.has_value() == (untouched && ours == theirs));
  if (agreed) CHECK(same(*agreed, *answered));
  check_proofs(script.rest(), *answered);
}

}  // namespace fuzz
