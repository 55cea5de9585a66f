// SPDX-License-Identifier: MIT
//
// How a connection comes to be open: RCON, ACON, cookies, refusals (WIRE.md 3), as caller, as
// listener, or as both at once.
#include <algorithm>
#include <bit>

#include "mrt/base/check.h"
#include "mrt/connection.h"

namespace mrt {

namespace {

// What this side can do: never plain and a cipher at once, so nothing falls back to plain.
uint8_t suites_of(const EndpointConfig& config) {
  if (config.plain) return suite_plain;
  if (config.only_cipher == Cipher::aes_128_gcm) return suite_aes_128_gcm;
  if (config.only_cipher == Cipher::chacha20_poly1305) return suite_chacha20_poly1305;
  return cpu_has_aes() ? suite_aes_128_gcm | suite_chacha20_poly1305 : suite_chacha20_poly1305;
}

Bytes encoded(const TransportParameters& parameters) {
  Builder out;
  write_parameters(out, parameters);
  return out.take();
}

}  // namespace

uint8_t suite_for(uint8_t offered, const EndpointConfig& config) {
  const uint8_t common = offered & suites_of(config);
  for (const uint8_t suite : {suite_plain, suite_aes_128_gcm, suite_chacha20_poly1305})
    if ((common & suite) != 0) return suite;
  return 0;
}

void Connection::call(Instant now, const HandshakeId& id, const NetworkKey& shown) {
  calling_ = std::make_unique<Calling>();
  Rcon& rcon = calling_->rcon;
  rcon.scid = names_.scid;
  rcon.id = id;
  rcon.suites = suites_of(household_.config);
  rcon.parameters = encoded(our_parameters());
  calling_->shown = shown;
  Random random = new_random();
  if (!household_.config.plain)
    calling_->call.emplace(shown, household_.config.network, rcon, random);
  calling_->out.packet = write_packet(rcon);
  calling_->out.due = true;
  known_to_user_ = true;
  timers_.set(Timer::handshake_limit, now + household_.config.handshake_timeout);
}

void Connection::call_too(Instant now, const NetworkKey& shown) {
  known_to_user_ = true;
  if (state_ != State::half_open || calling_) return;
  // WIRE.md 3.2: an id above theirs, so that a peer that really calls ignores ours, and one in
  // whose name somebody else called answers it.
  HandshakeId id = new_random().array<16>();
  if (id < initiator_id_) id[0] = 0xff;
  call(now, id, shown);
}

bool Connection::accept(Instant now, const Rcon& rcon, const TransportParameters& theirs,
                        const NetworkKey& key) {
  Acon acon;
  acon.dcid = rcon.scid;
  acon.scid = names_.scid;
  acon.initiator_id = rcon.id;
  acon.responder_id = names_.handshake_id;
  acon.suite = suite_for(rcon.suites, household_.config);
  acon.parameters = encoded(our_parameters());
  std::optional<Agreed> agreed;
  if (acon.suite != suite_plain) {
    Random random = new_random();
    agreed = answer_call(key, household_.config.network, random, rcon, acon);
    if (!agreed) return false;
  }
  state_ = State::half_open;
  initiator_id_ = rcon.id;
  peer_cid_ = rcon.scid;
  theirs_ = theirs;
  key_shown_ = key;
  if (agreed) {
    take_keys(*agreed, HandshakeRole::responder, acon.suite);
  } else {
    seal_ = Seal::plain(rcon.id, names_.handshake_id);
  }
  opening_->answer.packet = write_packet(acon);
  opening_->answer.due = true;
  path_.on_received(path_.path().remote, packet_bytes_initial);
  timers_.set(Timer::handshake_limit, now + household_.config.handshake_timeout);
  return true;
}

void Connection::on_rcon_again(const Path& path) {
  if (state_ != State::half_open || path.remote != path_.path().remote) return;
  path_.on_received(path.remote, packet_bytes_initial);
  opening_->answer.due = true;
}

// The own call goes on: the RCON may have come from somebody else in the peer's name, and then
// it is the peer's ACON that counts.
bool Connection::answer_instead(Instant now, const Rcon& rcon, const TransportParameters& theirs,
                                const NetworkKey& key) {
  CHECK(state_ == State::requesting);
  return accept(now, rcon, theirs, key);
}

bool Connection::on_rival_rcon(Instant now) {
  // A few of its repetitions. A peer that was restarted in just these seconds calls on.
  constexpr Duration rivals_for = 3 * rcon_interval_max;
  const bool unheard = state_ == State::open && counters_.packets_received == 0;
  if (!unheard || now - last_received_ >= rivals_for) return false;
  ping_due_ = true;  // RFC 9002 section 6.2.3: what was lost is not waited for
  return true;
}

// WIRE.md 3.10: the keys of both directions, and the proof of identity that goes first.
void Connection::take_keys(const Agreed& agreed, HandshakeRole role, uint8_t suite) {
  const Cipher cipher =
      suite == suite_aes_128_gcm ? Cipher::aes_128_gcm : Cipher::chacha20_poly1305;
  const bool initiator = role == HandshakeRole::initiator;
  const HandshakeSecrets& secrets = agreed.secrets;
  seal_ = Seal::with_keys(
      household_.ciphers, cipher, initiator ? secrets.to_responder : secrets.to_initiator,
      initiator ? secrets.to_initiator : secrets.to_responder, household_.config.packets_per_key);
  role_ = role;
  opening_->transcript = agreed.transcript;
  proof_ =
      write_proof(prove_identity(household_.identity, role, agreed.transcript, names_.reset_token));
  if (household_.config.keylog)
    opening_->keys_logged = keylog_line(initiator_id_, cipher, secrets);
}

void Connection::on_acon(Instant now, const Path& path, const Acon& acon) {
  const bool ours = calling_ && acon.dcid == names_.scid && acon.initiator_id == calling_->rcon.id;
  if (!ours || path.remote != path_.path().remote) return;
  const auto theirs = read_parameters(acon.parameters);
  const bool offered = std::has_single_bit(acon.suite) && (acon.suite & calling_->rcon.suites) != 0;
  if (!offered || !theirs) return fail_call(CloseCode::transport_parameter, "unusable ACON");
  initiator_id_ = calling_->rcon.id;
  key_shown_ = calling_->shown;
  if (calling_->call) {
    const auto agreed = calling_->call->finish(calling_->rcon, acon);
    if (!agreed) return fail_call(CloseCode::wrong_secret, "");
    take_keys(*agreed, HandshakeRole::initiator, acon.suite);
  } else {
    seal_ = Seal::plain(initiator_id_, acon.responder_id);
  }
  theirs_ = *theirs;
  peer_cid_ = acon.scid;
  // A repeated RCON makes it unknown which one was answered (Karn).
  const Repeated& call = calling_->out;
  if (call.sent == 1)
    sender_.on_handshake_rtt(now - call.first_sent_at);
  else
    sender_.on_handshake_guess(now - call.first_sent_at);
  path_.set_local(path.local);
  path_.prove();
  start_open(now, true);
}

void Connection::prove(Instant now, PacketNumber number) {
  // A sample only if the first packet answers the only ACON: later ones were waited for.
  const Repeated& answer = opening_->answer;
  if (answer.sent == 1 && number.value == 0)
    sender_.on_handshake_rtt(now - answer.first_sent_at);
  else
    sender_.on_handshake_guess(now - answer.first_sent_at);
  path_.prove();
  start_open(now, false);
}

void Connection::end_opening() {
  if (state_ == State::open && (peer_key_ || seal_->is_plain())) opening_.reset();
}

void Connection::on_cookie(const Cookie& cookie) {
  if (!calling_ || cookie.id != calling_->rcon.id || !calling_->rcon.cookie.empty()) return;
  calling_->rcon.cookie = cookie.cookie;
  calling_->out.packet = write_packet(calling_->rcon);
  calling_->out.due = true;
}

void Connection::on_refuse(const HandshakeId& id, CloseCode code, std::string reason) {
  if (!calling_ || calling_->rcon.id != id) return;
  report_closed(code, true, std::move(reason));
  state_ = State::dead;
}

void Connection::fail_call(CloseCode code, std::string reason) {
  report_closed(code, false, std::move(reason));
  state_ = State::dead;
}

}  // namespace mrt
