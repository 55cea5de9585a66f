// SPDX-License-Identifier: MIT
//
// How two sides agree on keys (WIRE.md 3.10): what goes into the handshake bytes of RCON and
// ACON, what both derive from them, and the proof of identity that follows in the first sealed
// packet each way. It knows no connection: packets as values in, keys out.
//
// 1. Both sides have the same keys only if they knew the same secret and the same network, and
//    if each got of the other's packet what that one sent; cookies alone are left out.
// 2. Nobody learns anything of the secret but whether one guess was right, for one exchange.
// 3. A proof of identity is worth something in one connection and one direction only.
#pragma once

#include <optional>
#include <string_view>

#include "mrt/cpace.h"
#include "mrt/handshake.h"
#include "mrt/identity.h"
#include "mrt/key_schedule.h"
#include "mrt/types.h"

namespace mrt {

/// What an RCON's handshake bytes say.
struct Offer {
  Access access = Access::open;           // what the caller shows
  std::array<uint8_t, 4> network_hint{};  // tells a slip from an attack; it is no secret
  CpaceShare share{};
};
std::optional<Offer> read_offer(ByteView handshake);
/// Whether the caller means that network: of all others one in 2^32 passes, and then fails later.
bool hint_fits(const Offer& offer, const HandshakeId& id, std::string_view network);

struct Agreed {
  TranscriptHash transcript{};
  HandshakeSecrets secrets;
};

/// The caller's part between RCON and ACON.
class Call {
 public:
  /// `rcon` has everything but its handshake bytes, which are filled in.
  Call(const NetworkKey& shown, std::string_view network, Rcon& rcon, Random& random);

  /// Nothing where the other side does not know the secret, or a packet was changed on its way.
  std::optional<Agreed> finish(const Rcon& rcon, const Acon& acon) const;

 private:
  CpaceRun run_;
};

/// The listener's part: fills in the handshake bytes of `acon`, which has everything else.
/// Nothing where the caller's share is none. About a fifth of a millisecond of work.
std::optional<Agreed> answer_call(const NetworkKey& key, std::string_view network, Random& random,
                                  const Rcon& rcon, Acon& acon);

enum class HandshakeRole : uint8_t { initiator, responder };

/// What an AUTH frame carries.
struct IdentityProof {
  PublicKey key{};
  Signature signature{};
  ResetToken reset_token{};  // here, since who sees the handshake could use it
};
IdentityProof prove_identity(const Identity& identity, HandshakeRole role,
                             const TranscriptHash& transcript, const ResetToken& token);
Bytes write_proof(const IdentityProof& proof);
/// Nothing where it is malformed or the signature is not of that key, role and transcript.
std::optional<IdentityProof> check_proof(ByteView bytes, HandshakeRole of,
                                         const TranscriptHash& transcript);

/// For a dissector: WIRE.md 4.6.
std::string keylog_line(const HandshakeId& initiator, Cipher cipher,
                        const HandshakeSecrets& secrets);

}  // namespace mrt
