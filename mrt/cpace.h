// SPDX-License-Identifier: MIT
//
// CPace, a password-authenticated key exchange: CPACE-RISTR255-SHA512 of
// draft-irtf-cfrg-cpace, in the setting with an initiator and a responder. Who does not know the
// password learns nothing from a run but whether one guess was right, and nothing offline.
//
// 1. Scalars come from the caller's generator and are wiped with the run.
// 2. A share that is no valid encoding, or gives the neutral element, gives no key.
#pragma once

#include <optional>

#include "mrt/base/bytes.h"
#include "mrt/base/random.h"
#include "mrt/base/secret.h"

namespace mrt {

/// A point of ristretto255 (RFC 9496), encoded.
using CpaceShare = std::array<uint8_t, 32>;
/// ISK of the draft: SHA-512's size.
using CpaceKey = SecretArray<64>;

/// What both sides must agree on beforehand; by the draft's names PRS, CI and sid.
struct CpaceInput {
  ByteView password;
  ByteView channel;
  ByteView session;
};

/// The generator that both derive from what they agree on (draft, calculate_generator).
CpaceShare cpace_generator(const CpaceInput& input);

class CpaceRun {
 public:
  CpaceRun(const CpaceInput& input, Random& random);
  /// With a given scalar: for the draft's test vectors.
  CpaceRun(const CpaceInput& input, const SecretArray<32>& scalar);

  const CpaceShare& share() const { return share_; }
  /// The key of the initiator, whose associated data is `own`; they are ADa and ADb.
  std::optional<CpaceKey> finish_initiator(const CpaceShare& theirs, ByteView own,
                                           ByteView their_data) const;
  std::optional<CpaceKey> finish_responder(const CpaceShare& theirs, ByteView own,
                                           ByteView their_data) const;

 private:
  std::optional<CpaceKey> finish(const CpaceShare& theirs, const CpaceShare& initiator_share,
                                 ByteView initiator_data, const CpaceShare& responder_share,
                                 ByteView responder_data) const;

  Bytes session_;
  SecretArray<32> scalar_;
  CpaceShare share_{};
};

}  // namespace mrt
