// SPDX-License-Identifier: MIT
#include "mrt/agreement.h"

#include <sodium/utils.h>

#include <algorithm>

namespace mrt {

namespace {

// Told apart from whatever else these keys and hashes are used for, now or later.
constexpr std::string_view channel_label = "thuban mrt 1 channel";
constexpr std::string_view hint_label = "thuban mrt 1 network";
constexpr std::string_view initiator_label = "thuban mrt 1 initiator";
constexpr std::string_view responder_label = "thuban mrt 1 responder";

constexpr size_t confirmation_bytes = 32;
constexpr size_t answer_bytes = sizeof(CpaceShare) + confirmation_bytes;

/// What CPace calls PRS. The kind goes with it: a password is not mistaken for a secret.
struct Password {
  explicit Password(const NetworkKey& key) {
    bytes.push_back(static_cast<uint8_t>(key.access));
    if (key.access != Access::open) bytes.insert(bytes.end(), key.secret.begin(), key.secret.end());
  }
  Password(const Password&) = delete;
  Password& operator=(const Password&) = delete;
  ~Password() { wipe(bytes); }
  Bytes bytes;
};

/// What CPace calls CI.
Bytes channel_of(std::string_view network) {
  Builder out;
  out.sized_text(channel_label);
  out.sized_text(network);
  return out.take();
}

std::array<uint8_t, 4> hint_of(const HandshakeId& id, std::string_view network) {
  Builder out;
  out.sized_text(hint_label);
  out.bytes(id);
  out.sized_text(network);
  const TranscriptHash hash = sha256(out.take());
  std::array<uint8_t, 4> hint;
  std::copy_n(hash.begin(), hint.size(), hint.begin());
  return hint;
}

/// All of an RCON but its cookie, which a listener may ask for at any time.
Bytes spoken(const Rcon& rcon) {
  Builder out;
  out.u64(rcon.scid);
  out.bytes(rcon.id);
  out.u8(rcon.suites);
  out.sized_bytes(rcon.parameters);
  out.sized_bytes(rcon.handshake);
  return out.take();
}

/// All of an ACON but the confirmation, which follows from it.
Bytes spoken(const Acon& acon) {
  Builder out;
  out.u64(acon.dcid);
  out.u64(acon.scid);
  out.bytes(acon.initiator_id);
  out.bytes(acon.responder_id);
  out.u8(acon.suite);
  out.sized_bytes(acon.parameters);
  out.sized_bytes(ByteView(acon.handshake).first(sizeof(CpaceShare)));
  return out.take();
}

CpaceInput input_of(const Password& password, ByteView channel, const HandshakeId& id) {
  return {password.bytes, channel, id};
}

Agreed agree(const CpaceKey& key, ByteView call, ByteView answer) {
  Builder both;
  both.sized_bytes(call);
  both.sized_bytes(answer);
  Agreed out;
  out.transcript = sha256(both.take());
  out.secrets = derive_secrets(key.view(), out.transcript);
  return out;
}

Bytes signed_words(HandshakeRole role, const TranscriptHash& transcript, const PublicKey& key) {
  Builder out;
  out.sized_text(role == HandshakeRole::initiator ? initiator_label : responder_label);
  out.bytes(transcript);
  out.bytes(key);
  return out.take();
}

CpaceRun start_call(const NetworkKey& shown, std::string_view network, const HandshakeId& id,
                    Random& random) {
  const Password password(shown);
  const Bytes channel = channel_of(network);
  return CpaceRun(input_of(password, channel, id), random);
}

}  // namespace

std::optional<Offer> read_offer(ByteView handshake) {
  Reader in(handshake);
  Offer offer;
  const uint8_t access = in.u8();
  offer.network_hint = in.array<4>();
  offer.share = in.array<32>();
  if (!in.done() || access > static_cast<uint8_t>(Access::password)) return std::nullopt;
  offer.access = static_cast<Access>(access);
  return offer;
}

bool hint_fits(const Offer& offer, const HandshakeId& id, std::string_view network) {
  return offer.network_hint == hint_of(id, network);
}

Call::Call(const NetworkKey& shown, std::string_view network, Rcon& rcon, Random& random)
    : run_(start_call(shown, network, rcon.id, random)) {
  Builder out;
  out.u8(static_cast<uint8_t>(shown.access));
  out.bytes(hint_of(rcon.id, network));
  out.bytes(run_.share());
  rcon.handshake = out.take();
}

std::optional<Agreed> Call::finish(const Rcon& rcon, const Acon& acon) const {
  if (acon.handshake.size() != answer_bytes) return std::nullopt;
  Reader in(acon.handshake);
  const auto share = in.array<32>();
  const auto confirmation = in.array<confirmation_bytes>();
  const Bytes call = spoken(rcon);
  const Bytes answer = spoken(acon);
  const auto key = run_.finish_initiator(share, call, answer);
  if (!key) return std::nullopt;
  Agreed agreed = agree(*key, call, answer);
  const auto& right = agreed.secrets.confirmation;
  if (sodium_memcmp(right.data(), confirmation.data(), right.size()) != 0) return std::nullopt;
  return agreed;
}

std::optional<Agreed> answer_call(const NetworkKey& key, std::string_view network, Random& random,
                                  const Rcon& rcon, Acon& acon) {
  const auto offer = read_offer(rcon.handshake);
  if (!offer) return std::nullopt;
  const Password password(key);
  const Bytes channel = channel_of(network);
  const CpaceRun run(input_of(password, channel, rcon.id), random);
  acon.handshake.assign(run.share().begin(), run.share().end());
  const Bytes call = spoken(rcon);
  const Bytes answer = spoken(acon);
  const auto exchanged = run.finish_responder(offer->share, answer, call);
  if (!exchanged) return std::nullopt;
  Agreed agreed = agree(*exchanged, call, answer);
  const auto& confirmation = agreed.secrets.confirmation;
  acon.handshake.insert(acon.handshake.end(), confirmation.begin(), confirmation.end());
  return agreed;
}

IdentityProof prove_identity(const Identity& identity, HandshakeRole role,
                             const TranscriptHash& transcript, const ResetToken& token) {
  const Bytes words = signed_words(role, transcript, identity.public_key());
  return {identity.public_key(), identity.sign(words), token};
}

Bytes write_proof(const IdentityProof& proof) {
  Builder out;
  out.bytes(proof.key);
  out.bytes(proof.signature);
  out.bytes(proof.reset_token);
  return out.take();
}

std::optional<IdentityProof> check_proof(ByteView bytes, HandshakeRole of,
                                         const TranscriptHash& transcript) {
  Reader in(bytes);
  IdentityProof proof{in.array<32>(), in.array<64>(), in.array<16>()};
  if (!in.done()) return std::nullopt;
  const Bytes words = signed_words(of, transcript, proof.key);
  if (!is_signed_by(proof.key, words, proof.signature)) return std::nullopt;
  return proof;
}

std::string keylog_line(const HandshakeId& initiator, Cipher cipher,
                        const HandshakeSecrets& secrets) {
  const char* name = cipher == Cipher::aes_128_gcm ? "aes-128-gcm" : "chacha20-poly1305";
  return "mrt1 " + to_hex(initiator) + ' ' + name + ' ' + to_hex(secrets.to_responder.view()) +
         ' ' + to_hex(secrets.to_initiator.view());
}

}  // namespace mrt
