// SPDX-License-Identifier: MIT
#include "stun/beacon_wire.h"

#include <sodium/crypto_generichash_blake2b.h>

#include <algorithm>

#include "mrt/base/check.h"

namespace stun {

static constexpr uint8_t version = 1;

mrt::Address beacon_group(bool v4) {
  if (v4) return mrt::Address::v4(239, 255, 84, 104, beacon_port);
  return *mrt::Address::parse("ff12::5468:7562:616e", beacon_port);
}

std::optional<BeaconMessage> parse_beacon(mrt::ByteView datagram) {
  mrt::Reader in(datagram);
  BeaconMessage out;
  out.kind = BeaconKind{in.u8()};
  const bool known = out.kind == BeaconKind::ask || out.kind == BeaconKind::answer;
  if (!known || in.u8() != version) return std::nullopt;
  const auto take = [&in](auto& field) {
    const mrt::ByteView bytes = in.bytes(field.size());
    std::copy(bytes.begin(), bytes.end(), field.begin());
  };
  take(out.nonce);
  take(out.mark);
  out.port = in.u16();
  const bool has_port = out.port != 0;
  if (!in.done() || has_port != (out.kind == BeaconKind::answer)) return std::nullopt;
  return out;
}

mrt::Bytes write_beacon(const BeaconMessage& message) {
  mrt::Builder out;
  out.u8(static_cast<uint8_t>(message.kind));
  out.u8(version);
  out.bytes(message.nonce);
  out.bytes(message.mark);
  out.u16(message.port);
  return out.take();
}

BeaconMessage::Mark beacon_mark(BeaconKind kind, std::string_view network,
                                const BeaconMessage::Nonce& nonce) {
  mrt::Builder in;
  in.sized_text(kind == BeaconKind::ask ? "thuban beacon 1 ask" : "thuban beacon 1 answer");
  in.sized_text(network);
  in.bytes(nonce);
  const mrt::Bytes all = in.take();
  BeaconMessage::Mark out;
  CHECK(crypto_generichash_blake2b(out.data(), out.size(), all.data(), all.size(), nullptr, 0) ==
        0);
  return out;
}

}  // namespace stun
