// SPDX-License-Identifier: MIT
#include "stun/rendezvous_record.h"

#include "mrt/base/check.h"

namespace stun {

namespace {

constexpr uint8_t record_version = 1;

/// What is left must be a datagram of that kind.
template <class T>
std::optional<T> rest_as(mrt::Reader& in) {
  auto message = parse_rendezvous(in.rest());
  if (!in.ok() || !message || !std::holds_alternative<T>(*message)) return std::nullopt;
  return std::get<T>(std::move(*message));
}

}  // namespace

mrt::Bytes write_record(const RendezvousRecord& record) {
  mrt::Builder out;
  out.u8(record_version);
  out.bytes(record.home);
  mrt::write_address(out, record.seen);
  out.u16(record.life_ms);
  out.bytes(write_rendezvous(record.registration));
  CHECK(out.size() <= record_bytes_max);
  return out.take();
}

std::optional<RendezvousRecord> parse_record(mrt::ByteView bytes) {
  mrt::Reader in(bytes);
  if (bytes.size() > record_bytes_max || in.u8() != record_version) return std::nullopt;
  RendezvousRecord out;
  out.home = in.array<16>();
  const bool six = in.peek() == uint8_t{6};
  out.seen = mrt::read_address(in);
  if (six && out.seen.is_v4()) in.fail();
  out.life_ms = in.u16();
  auto registration = rest_as<Registration>(in);
  if (!registration) return std::nullopt;
  out.registration = std::move(*registration);
  return out;
}

mrt::Bytes write_far_introduction(const FarIntroduction& far) {
  mrt::Builder out;
  out.u8(record_version);
  out.bytes(far.id);
  out.bytes(far.node);
  out.bytes(write_rendezvous(far.introduction));
  return out.take();
}

std::optional<FarIntroduction> parse_far_introduction(mrt::ByteView bytes) {
  mrt::Reader in(bytes);
  if (in.u8() != record_version) return std::nullopt;
  FarIntroduction out;
  out.id = in.array<32>();
  out.node = in.array<16>();
  auto introduction = rest_as<Introduction>(in);
  if (!introduction) return std::nullopt;
  out.introduction = std::move(*introduction);
  return out;
}

}  // namespace stun
