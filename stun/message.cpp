// SPDX-License-Identifier: MIT
#include "stun/message.h"

#include <algorithm>

#include "mrt/base/check.h"
#include "stun/integrity.h"

namespace stun {

using mrt::Address;
using mrt::Builder;
using mrt::Bytes;
using mrt::ByteView;
using mrt::Reader;

namespace {

enum Type : uint16_t {
  type_change_request = 0x0003,
  type_username = 0x0006,
  type_message_integrity = 0x0008,
  type_error_code = 0x0009,
  type_unknown_attributes = 0x000a,
  type_realm = 0x0014,
  type_nonce = 0x0015,
  type_message_integrity_sha256 = 0x001c,
  type_password_algorithm = 0x001d,
  type_userhash = 0x001e,
  type_padding = 0x0026,
  type_response_port = 0x0027,
  type_software = 0x8022,
  type_fingerprint = 0x8028,
  type_other_port = 0xfea5,  // ours
};

/// The attributes that are addresses.
struct AddressAttribute {
  uint16_t type;
  Message::MaybeAddress Message::*field;
  bool xored;
};
constexpr std::array address_attributes{
    AddressAttribute{0x0001, &Message::mapped, false},
    AddressAttribute{0x0004, &Message::source, false},
    AddressAttribute{0x0005, &Message::changed, false},
    AddressAttribute{0x0020, &Message::xor_mapped, true},
    AddressAttribute{0x802b, &Message::response_origin, false},
    AddressAttribute{0x802c, &Message::other_address, false},
};

/// Credentials: nobody is asked for any here, and who shows some is answered all the same.
constexpr std::array credentials{
    type_username,           type_realm,   type_nonce, type_message_integrity_sha256,
    type_password_algorithm, type_userhash};

constexpr uint16_t comprehension_optional = 0x8000;
constexpr size_t attribute_head_bytes = 4;
constexpr size_t integrity_bytes = sizeof(Integrity);
constexpr uint8_t family_v4 = 1;
constexpr uint8_t family_v6 = 2;
constexpr uint32_t change_ip = 4;
constexpr uint32_t change_port = 2;

// STUN is big-endian (RFC 8489 section 5); Reader and Builder are not.
uint16_t read_u16(Reader& in) {
  const uint8_t high = in.u8();
  return static_cast<uint16_t>(high << 8 | in.u8());
}
uint32_t read_u32(Reader& in) {
  const uint32_t high = read_u16(in);
  return high << 16 | read_u16(in);
}
void write_u16(Builder& out, size_t value) {
  out.u8(static_cast<uint8_t>(value >> 8));
  out.u8(static_cast<uint8_t>(value));
}
void write_u32(Builder& out, uint32_t value) {
  write_u16(out, value >> 16);
  write_u16(out, value & 0xffff);
}

/// To the next multiple of four.
size_t padding_after(size_t size) { return (4 - size % 4) % 4; }

// RFC 8489 section 5: "the most significant 2 bits of every STUN message MUST be zeroes", and the
// two bits of the class lie within those of the method.
uint16_t message_type(Kind kind, uint16_t method) {
  const auto bits = static_cast<unsigned>(kind);
  const unsigned spread = (method & 0x0fu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2;
  return static_cast<uint16_t>(spread | (bits & 1) << 4 | (bits & 2) << 7);
}
Kind kind_of(uint16_t type) { return static_cast<Kind>((type >> 4 & 1) | (type >> 7 & 2)); }
uint16_t method_of(uint16_t type) {
  return static_cast<uint16_t>((type & 0x0f) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

/// XORs address and port with cookie and transaction id (RFC 8489 section 14.2), either way.
Address mask(Address address, bool four, const TransactionId& id) {
  address.port ^= static_cast<uint16_t>(id.bytes[0] << 8 | id.bytes[1]);
  const size_t first = four ? 12 : 0;
  for (size_t i = first; i < address.ip.size(); ++i) address.ip[i] ^= id.bytes[i - first];
  return address;
}

/// `masked_by`: nothing where it is written plainly.
std::optional<Address> read_address_value(ByteView value, const TransactionId* masked_by) {
  Reader in(value);
  in.u8();  // to be ignored
  const uint8_t family = in.u8();
  const bool four = family == family_v4;
  if (!four && family != family_v6) return std::nullopt;
  Address out;
  out.port = read_u16(in);
  if (four) {
    const auto ip = in.array<4>();
    out = Address::v4(ip[0], ip[1], ip[2], ip[3], out.port);
  } else {
    out.ip = in.array<16>();
  }
  if (masked_by) out = mask(out, four, *masked_by);
  // Neither family comes in the other's disguise.
  if (!in.done() || out.is_v4() != four) return std::nullopt;
  return out;
}

std::optional<ErrorCode> read_error(ByteView value) {
  Reader in(value);
  const uint32_t head = read_u32(in);
  const uint32_t hundreds = head >> 8 & 7;
  const uint32_t rest = head & 0xff;
  if (!in.ok() || hundreds < 3 || hundreds > 6 || rest > 99) return std::nullopt;
  ErrorCode out{static_cast<uint16_t>(hundreds * 100 + rest), ""};
  if (in.remaining() <= text_bytes_max) out.reason = mrt::as_text(in.rest());
  return out;
}

/// Sets what is not set yet.
template <class T>
void set(std::optional<T>& field, const std::optional<T>& value) {
  if (!field) field = value;
}

std::optional<Change> read_change(ByteView value) {
  Reader in(value);
  const uint32_t flags = read_u32(in);
  if (!in.done()) return std::nullopt;
  return Change{(flags & change_ip) != 0, (flags & change_port) != 0};
}

std::optional<uint16_t> read_port(ByteView value) {
  Reader in(value);
  const uint16_t port = read_u16(in);
  if (!in.ok()) return std::nullopt;
  return port;
}

void read_unknown_attributes(Message& out, ByteView value) {
  if (!out.unknown_attributes.empty()) return;
  Reader in(value);
  while (in.remaining() >= 2) out.unknown_attributes.push_back(read_u16(in));
}

void note_not_understood(Message& out, uint16_t type) {
  auto& types = out.not_understood;
  const bool noted = std::find(types.begin(), types.end(), type) != types.end();
  if (!noted && types.size() < not_understood_max) types.push_back(type);
}

/// False where it is one that we know, and its value is malformed.
bool read_attribute(Message& out, uint16_t type, ByteView value) {
  for (const AddressAttribute& one : address_attributes) {
    if (type != one.type) continue;
    set(out.*one.field, read_address_value(value, one.xored ? &out.id : nullptr));
    return (out.*one.field).has_value();
  }
  switch (type) {
    case type_change_request:
      set(out.change, read_change(value));
      return out.change.has_value();
    case type_response_port:
      set(out.response_port, read_port(value));
      return out.response_port.has_value();
    case type_other_port:
      set(out.other_port, read_port(value));
      return out.other_port.has_value();
    case type_error_code:
      set(out.error, read_error(value));
      return out.error.has_value();
    case type_unknown_attributes:
      read_unknown_attributes(out, value);
      return true;
    case type_padding:
      set(out.padding, std::optional(value.size()));
      return true;
    case type_software:
      if (out.software.empty() && value.size() <= text_bytes_max)
        out.software = mrt::as_text(value);
      return true;
    default:
      break;
  }
  const bool known = std::find(credentials.begin(), credentials.end(), type) != credentials.end();
  if (!known && type < comprehension_optional) note_not_understood(out, type);
  return true;
}

struct Attribute {
  uint16_t type = 0;
  ByteView value;
};

Attribute next_attribute(Reader& in) {
  Attribute out;
  out.type = read_u16(in);
  out.value = in.bytes(read_u16(in));
  in.bytes(padding_after(out.value.size()));
  return out;
}

/// The length that the header has when the message ends `size` bytes after its begin.
void set_length(Bytes& message, size_t size) {
  const size_t length = size - header_bytes;
  message[2] = static_cast<uint8_t>(length >> 8);
  message[3] = static_cast<uint8_t>(length);
}

/// Of a message whose MESSAGE-INTEGRITY begins at `end`: "the text used as input to HMAC is the
/// STUN message, up to and including the attribute preceding", under a header whose length ends
/// with MESSAGE-INTEGRITY (RFC 8489 section 14.5).
Integrity integrity_before(ByteView message, size_t end, ByteView key) {
  Bytes head(message.begin(), message.begin() + header_bytes);
  set_length(head, end + attribute_head_bytes + integrity_bytes);
  return integrity_of(key, head, message.subspan(header_bytes, end - header_bytes));
}

void write_head(Builder& out, uint16_t type, size_t size) {
  write_u16(out, type);
  write_u16(out, size);
}

void write_padding(Builder& out, size_t after) {
  for (size_t i = padding_after(after); i > 0; --i) out.u8(0);
}

void write_attribute(Builder& out, uint16_t type, ByteView value) {
  write_head(out, type, value.size());
  out.bytes(value);
  write_padding(out, value.size());
}

void write_address_attribute(Builder& out, const AddressAttribute& attribute,
                             const Message& message) {
  const Address& plain = *(message.*attribute.field);
  const bool four = plain.is_v4();
  const Address written = attribute.xored ? mask(plain, four, message.id) : plain;
  write_head(out, attribute.type, four ? 8 : 20);
  out.u8(0);
  out.u8(four ? family_v4 : family_v6);
  write_u16(out, written.port);
  out.bytes(four ? ByteView(written.ip).subspan(12) : ByteView(written.ip));
}

void write_port(Builder& out, uint16_t type, uint16_t port) {
  write_head(out, type, 4);
  write_u16(out, port);
  write_u16(out, 0);
}

void write_error(Builder& out, const ErrorCode& error) {
  CHECK(error.code >= 300 && error.code <= 699 && error.reason.size() <= text_bytes_max);
  write_head(out, type_error_code, 4 + error.reason.size());
  write_u16(out, 0);
  out.u8(static_cast<uint8_t>(error.code / 100));
  out.u8(static_cast<uint8_t>(error.code % 100));
  out.bytes(mrt::as_bytes(error.reason));
  write_padding(out, error.reason.size());
}

void write_unknown_attributes(Builder& out, const std::vector<uint16_t>& types) {
  Builder value;
  for (const uint16_t type : types) write_u16(value, type);
  write_attribute(out, type_unknown_attributes, value.take());
}

void write_attributes(Builder& out, const Message& message) {
  for (const AddressAttribute& one : address_attributes)
    if (message.*one.field) write_address_attribute(out, one, message);
  if (message.change) {
    write_head(out, type_change_request, 4);
    write_u32(out, (message.change->ip ? change_ip : 0) | (message.change->port ? change_port : 0));
  }
  if (message.response_port) write_port(out, type_response_port, *message.response_port);
  if (message.other_port) write_port(out, type_other_port, *message.other_port);
  if (message.error) write_error(out, *message.error);
  if (!message.unknown_attributes.empty())
    write_unknown_attributes(out, message.unknown_attributes);
  CHECK(message.software.size() <= text_bytes_max);
  if (!message.software.empty())
    write_attribute(out, type_software, mrt::as_bytes(message.software));
  if (message.padding) {
    CHECK(*message.padding <= padding_bytes_max);
    write_attribute(out, type_padding, Bytes(*message.padding));
  }
}

}  // namespace

bool TransactionId::is_classic() const {
  return !std::equal(magic_cookie.begin(), magic_cookie.end(), bytes.begin());
}

std::optional<Message> read_message(ByteView datagram) {
  Reader in(datagram);
  const uint16_t type = read_u16(in);
  const size_t length = read_u16(in);
  Message out;
  out.id.bytes = in.array<16>();
  // RFC 8489 section 6.3: the length is sensible. That it is a multiple of four follows from the
  // attributes, of which each is.
  if (!in.ok() || type >= 0x4000 || length != in.remaining()) return std::nullopt;
  out.kind = kind_of(type);
  out.method = method_of(type);
  bool authenticated = false;  // what follows MESSAGE-INTEGRITY is not looked at (section 14.5)
  while (in.remaining() > 0) {
    const size_t at = datagram.size() - in.remaining();
    const Attribute attribute = next_attribute(in);
    if (!in.ok()) return std::nullopt;
    if (attribute.type == type_fingerprint) {
      // Section 14.7: it "MUST be the last attribute".
      Reader value(attribute.value);
      const bool right = read_u32(value) == fingerprint_of(datagram.first(at)) && value.done();
      if (!right || in.remaining() > 0) return std::nullopt;
      out.fingerprint = true;
    } else if (attribute.type == type_message_integrity) {
      authenticated = true;
    } else if (!authenticated && !read_attribute(out, attribute.type, attribute.value)) {
      return std::nullopt;
    }
  }
  return out;
}

Bytes write_message(const Message& message, ByteView integrity_key) {
  Builder out;
  write_u16(out, message_type(message.kind, message.method));
  write_u16(out, 0);  // the length follows
  out.bytes(message.id.bytes);
  write_attributes(out, message);
  Bytes bytes = out.take();
  const auto append = [&bytes](uint16_t type, ByteView value) {
    Builder attribute;
    write_attribute(attribute, type, value);
    const Bytes written = attribute.take();
    bytes.insert(bytes.end(), written.begin(), written.end());
  };
  if (!integrity_key.empty())
    append(type_message_integrity, integrity_before(bytes, bytes.size(), integrity_key));
  if (message.fingerprint) {
    set_length(bytes, bytes.size() + attribute_head_bytes + sizeof(uint32_t));
    Builder sum;
    write_u32(sum, fingerprint_of(bytes));
    append(type_fingerprint, sum.take());
  }
  set_length(bytes, bytes.size());
  return bytes;
}

bool has_right_integrity(ByteView datagram, ByteView key) {
  Reader in(datagram);
  in.bytes(header_bytes);
  while (in.remaining() > 0) {
    const size_t at = datagram.size() - in.remaining();
    const Attribute attribute = next_attribute(in);
    if (in.ok() && attribute.type == type_message_integrity)
      return is_same(integrity_before(datagram, at, key), attribute.value);
  }
  return false;
}

}  // namespace stun
