// SPDX-License-Identifier: MIT
#include "stun/rendezvous_wire.h"

#include <sodium/crypto_sign_ed25519.h>

#include <algorithm>

#include "mrt/base/check.h"
#include "mrt/base/match.h"

namespace stun {

using mrt::Address;
using mrt::Builder;
using mrt::Bytes;
using mrt::ByteView;
using mrt::Reader;

namespace {

constexpr uint8_t wire_version = 1;

enum class Type : uint8_t {
  find = 0xd0,
  found = 0xd1,
  cookie = 0xd2,
  registration = 0xd3,
  registered = 0xd4,
  keep = 0xd5,
  refusal = 0xd6,
  introduction = 0xd7,
};

// Bits of `flags`.
constexpr uint8_t has_cookie = 1;
constexpr uint8_t wants_introduction = 2;
constexpr uint8_t is_symmetric = 4;
constexpr uint8_t leaves = 1;  // of a Keep

/// So that a signature of this key means this and nothing else.
constexpr std::string_view signature_context = "thuban rendezvous 1 registration";

void write_header(Builder& out, Type type, uint64_t transaction) {
  out.u8(static_cast<uint8_t>(type));
  out.u8(wire_version);
  out.u64(transaction);
}

/// With each byte of the IP inverted. "[...] some NATs rewrite the 32-bit binary payloads
/// containing the NAT's public IP address [...] in the well-meaning but misguided attempt to
/// provide a generic Application Layer Gateway" (RFC 8489 section 14.2).
Address inverted(Address address) {
  const auto first = address.ip.begin() + (address.is_v4() ? 12 : 0);
  std::transform(first, address.ip.end(), first,
                 [](uint8_t b) { return static_cast<uint8_t>(~b); });
  return address;
}

void write_inverted(Builder& out, const Address& address) {
  const ByteView ip(address.ip);
  const Address other = inverted(address);
  const ByteView bytes(other.ip);
  out.u8(address.is_v4() ? 4 : 6);
  out.bytes(address.is_v4() ? bytes.subspan(ip.size() - 4) : bytes);
  out.u16(address.port);
}

Address read_inverted(Reader& in) {
  const bool four = in.peek() == uint8_t{4};
  Address address = mrt::read_address(in);
  if (four) return inverted(address);
  std::transform(address.ip.begin(), address.ip.end(), address.ip.begin(),
                 [](uint8_t b) { return static_cast<uint8_t>(~b); });
  // An IPv4 address has one spelling.
  if (address.is_v4()) in.fail();
  return in.ok() ? address : Address{};
}

void write_list(Builder& out, const std::vector<Address>& addresses, size_t count_max) {
  CHECK(addresses.size() <= count_max);
  out.u8(static_cast<uint8_t>(addresses.size()));
  for (const Address& address : addresses) write_inverted(out, address);
}

std::vector<Address> read_list(Reader& in, size_t count_max) {
  std::vector<Address> out;
  const size_t count = in.u8();
  if (count > count_max) in.fail();
  for (size_t i = 0; i < count && in.ok(); ++i) out.push_back(read_inverted(in));
  return out;
}

uint8_t flag_if(bool set, uint8_t flag) { return set ? flag : 0; }

uint8_t read_flags(Reader& in, uint8_t known) {
  const uint8_t flags = in.u8();
  if ((flags & ~known) != 0) in.fail();
  return flags;
}

void write_cookie(Builder& out, const std::optional<RendezvousCookie>& cookie) {
  if (cookie) out.bytes(*cookie);
}

std::optional<RendezvousCookie> read_cookie(Reader& in, uint8_t flags) {
  if ((flags & has_cookie) == 0) return std::nullopt;
  return in.array<16>();
}

Find read_find(Reader& in, uint64_t transaction) {
  Find out;
  out.transaction = transaction;
  const uint8_t flags = read_flags(in, has_cookie | wants_introduction | is_symmetric);
  out.introduce = (flags & wants_introduction) != 0;
  out.symmetric = (flags & is_symmetric) != 0;
  out.cookie = read_cookie(in, flags);
  out.id = in.array<32>();
  out.told = read_list(in, told_by_looker_max);
  return out;
}

Found read_found(Reader& in, uint64_t transaction) {
  Found out;
  out.transaction = transaction;
  out.seen = read_inverted(in);
  const size_t count = in.u8();
  if (count > supernodes_max) in.fail();
  for (size_t i = 0; i < count && in.ok(); ++i) {
    Whereabouts one;
    one.node = in.array<16>();
    one.epoch = in.u64();
    one.symmetric = read_flags(in, is_symmetric) != 0;
    if (in.peek() == uint8_t{0}) {
      in.u8();
    } else {
      one.seen = read_inverted(in);
    }
    one.told = read_list(in, told_max);
    out.supernodes.push_back(std::move(one));
  }
  return out;
}

Registration read_registration(Reader& in, uint64_t transaction) {
  Registration out;
  out.transaction = transaction;
  const uint8_t flags = read_flags(in, has_cookie | is_symmetric);
  out.symmetric = (flags & is_symmetric) != 0;
  out.cookie = read_cookie(in, flags);
  out.id = in.array<32>();
  out.node = in.array<16>();
  out.epoch = in.u64();
  out.sequence = in.u64();
  out.life_seconds = in.u16();
  if (out.life_seconds == 0) in.fail();
  out.told = read_list(in, told_max);
  out.signature = in.array<64>();
  return out;
}

Refusal read_refusal(Reader& in, uint64_t transaction) {
  const uint8_t code = in.u8();
  const bool known = code >= static_cast<uint8_t>(RefusalCode::unknown) &&
                     code <= static_cast<uint8_t>(RefusalCode::forged);
  if (!known) in.fail();
  return {transaction, static_cast<RefusalCode>(code)};
}

std::optional<RendezvousMessage> read_body(Reader& in, Type type, uint64_t transaction) {
  switch (type) {
    case Type::find:
      return read_find(in, transaction);
    case Type::found:
      return read_found(in, transaction);
    case Type::cookie:
      return CookieGiven{transaction, in.array<16>()};
    case Type::registration:
      return read_registration(in, transaction);
    case Type::registered: {
      Registered out{transaction, in.u64(), in.u16(), {}};
      out.seen = read_inverted(in);
      return out;
    }
    case Type::keep: {
      const uint8_t flags = read_flags(in, leaves);
      Keep out{transaction, in.array<32>(), {}, flags == leaves};
      out.node = in.array<16>();
      return out;
    }
    case Type::refusal:
      return read_refusal(in, transaction);
    case Type::introduction: {
      const bool symmetric = read_flags(in, is_symmetric) != 0;
      Introduction out{transaction, read_inverted(in), {}, symmetric};
      out.told = read_list(in, told_by_looker_max);
      return out;
    }
  }
  return std::nullopt;
}

void write_find(Builder& out, const Find& find) {
  write_header(out, Type::find, find.transaction);
  out.u8(static_cast<uint8_t>(flag_if(find.cookie.has_value(), has_cookie) |
                              flag_if(find.introduce, wants_introduction) |
                              flag_if(find.symmetric, is_symmetric)));
  write_cookie(out, find.cookie);
  out.bytes(find.id);
  write_list(out, find.told, told_by_looker_max);
}

void write_found(Builder& out, const Found& found) {
  CHECK(found.supernodes.size() <= supernodes_max);
  write_header(out, Type::found, found.transaction);
  write_inverted(out, found.seen);
  out.u8(static_cast<uint8_t>(found.supernodes.size()));
  for (const Whereabouts& one : found.supernodes) {
    out.bytes(one.node);
    out.u64(one.epoch);
    out.u8(flag_if(one.symmetric, is_symmetric));
    if (one.seen) {
      write_inverted(out, *one.seen);
    } else {
      out.u8(0);
    }
    write_list(out, one.told, told_max);
  }
}

void write_unsigned(Builder& out, const Registration& registration) {
  write_header(out, Type::registration, registration.transaction);
  out.u8(static_cast<uint8_t>(flag_if(registration.cookie.has_value(), has_cookie) |
                              flag_if(registration.symmetric, is_symmetric)));
  write_cookie(out, registration.cookie);
  out.bytes(registration.id);
  out.bytes(registration.node);
  out.u64(registration.epoch);
  out.u64(registration.sequence);
  out.u16(registration.life_seconds);
  write_list(out, registration.told, told_max);
}

}  // namespace

std::optional<RendezvousMessage> parse_rendezvous(ByteView datagram) {
  Reader in(datagram);
  const auto type = static_cast<Type>(in.u8());
  if (in.u8() != wire_version) return std::nullopt;
  const uint64_t transaction = in.u64();
  auto message = read_body(in, type, transaction);
  if (!in.done()) return std::nullopt;
  return message;
}

Bytes write_rendezvous(const RendezvousMessage& message) {
  Builder out;
  std::visit(mrt::Match{[&](const Find& find) { write_find(out, find); },
                        [&](const Found& found) { write_found(out, found); },
                        [&](const CookieGiven& given) {
                          write_header(out, Type::cookie, given.transaction);
                          out.bytes(given.cookie);
                        },
                        [&](const Registration& registration) {
                          write_unsigned(out, registration);
                          out.bytes(registration.signature);
                        },
                        [&](const Registered& registered) {
                          write_header(out, Type::registered, registered.transaction);
                          out.u64(registered.sequence);
                          out.u16(registered.life_seconds);
                          write_inverted(out, registered.seen);
                        },
                        [&](const Keep& keep) {
                          write_header(out, Type::keep, keep.transaction);
                          out.u8(flag_if(keep.leave, leaves));
                          out.bytes(keep.id);
                          out.bytes(keep.node);
                        },
                        [&](const Refusal& refusal) {
                          write_header(out, Type::refusal, refusal.transaction);
                          out.u8(static_cast<uint8_t>(refusal.code));
                        },
                        [&](const Introduction& introduction) {
                          write_header(out, Type::introduction, introduction.transaction);
                          out.u8(flag_if(introduction.symmetric, is_symmetric));
                          write_inverted(out, introduction.seen);
                          write_list(out, introduction.told, told_by_looker_max);
                        }},
             message);
  return out.take();
}

Bytes signed_part(const Registration& registration) {
  Builder out;
  out.sized_text(signature_context);
  write_unsigned(out, registration);
  return out.take();
}

bool is_signed_by_its_network(const Registration& registration) {
  const Bytes covered = signed_part(registration);
  // libsodium refuses keys of small order and encodings that are not canonical.
  return crypto_sign_ed25519_verify_detached(registration.signature.data(), covered.data(),
                                             covered.size(), registration.id.data()) == 0;
}

}  // namespace stun
