// SPDX-License-Identifier: MIT
//
// Private messages (WIRE.md 6.4) on their way through somebody who changes them: they open as
// they were sealed, or not at all.
#include <algorithm>

#include "fuzz/targets.h"
#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/tell_seal.h"

namespace fuzz {

using namespace node;

namespace {

/// Any bytes in the places that the sender fills: they open for nobody.
void check_forged(mrt::Reader script, const mrt::Identity& to, const TellEnd& from) {
  Tell tell;
  tell.from = node_id_of(from.key);
  tell.to = node_id_of(to.public_key());
  tell.number = script.u8();
  tell.ephemeral = script.array<32>();
  const mrt::ByteView sealed = script.rest();
  tell.sealed.assign(sealed.begin(), sealed.end());
  CHECK(!open_tell(to, Incarnation{2}, from, tell));
}

}  // namespace

void tell(mrt::ByteView input) {
  mrt::Reader script(input);
  const mrt::Identity ann(mrt::seed_from(1));
  const mrt::Identity ben(mrt::seed_from(2));
  const TellEnd from{ann.public_key(), Incarnation{1}};
  check_forged(script, ben, from);

  const uint8_t where = script.u8();
  const uint8_t with = script.u8();
  const uint16_t at = script.u16();
  const std::string text(mrt::as_text(script.rest()));
  mrt::Random random(mrt::seed_from(3));
  const mrt::SecretArray<32> ephemeral(random.array<32>());
  const auto sealed =
      seal_tell(ann, Incarnation{1}, {ben.public_key(), Incarnation{2}}, 7, text, ephemeral);
  CHECK(sealed && decode(encode(*sealed)));
  const auto opened = open_tell(ben, Incarnation{2}, from, *sealed);
  CHECK(opened == (is_utf8(text) ? std::optional(text) : std::nullopt));

  Tell changed = *sealed;
  const auto change = [&](uint8_t& byte) { byte = static_cast<uint8_t>(byte ^ with); };
  Incarnation life{2};
  switch (where % 6) {
    case 0:
      change(changed.sealed[at % changed.sealed.size()]);
      break;
    case 1:
      // The highest bit of an X25519 key is ignored (RFC 7748 section 5), but hashed.
      change(changed.ephemeral[at % changed.ephemeral.size()]);
      break;
    case 2:
      changed.number += with;
      break;
    case 3:
      change(changed.from.bytes[at % changed.from.bytes.size()]);
      break;
    case 4:
      changed.sealed.resize(changed.sealed.size() - std::min<size_t>(with, changed.sealed.size()));
      break;
    default:
      life.value += with;
  }
  CHECK(with == 0 || !open_tell(ben, life, from, changed));
  CHECK(!open_tell(ann, life, from, *sealed));
}

}  // namespace fuzz
