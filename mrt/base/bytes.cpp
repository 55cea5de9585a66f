// SPDX-License-Identifier: MIT
#include "mrt/base/bytes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "mrt/base/check.h"

namespace mrt {

static_assert(std::endian::native == std::endian::little,
              "fixed-width integers are copied as they stand in memory");

template <class T>
T Reader::fixed() {
  T value{};
  const ByteView view = bytes(sizeof(T));
  if (view.size() == sizeof(T)) std::memcpy(&value, view.data(), sizeof(T));
  return value;
}

uint8_t Reader::u8() { return fixed<uint8_t>(); }
uint16_t Reader::u16() { return fixed<uint16_t>(); }
uint32_t Reader::u32() { return fixed<uint32_t>(); }
uint64_t Reader::u64() { return fixed<uint64_t>(); }

// RFC 9000 section 16: "The QUIC variable-length integer encoding reserves the two most
// significant bits of the first byte to encode the base-2 logarithm of the integer
// encoding length in bytes." Network byte order, as there.
uint64_t Reader::varint() {
  const auto first = peek();
  if (!first) {
    fail();
    return 0;
  }
  if (*first < 0x40) {  // most are that small
    bytes_ = bytes_.subspan(1);
    return *first;
  }
  const ByteView view = bytes(size_t{1} << (*first >> 6));
  if (view.empty()) return 0;
  uint64_t value = view[0] & 0x3f;
  for (size_t i = 1; i < view.size(); ++i) value = value << 8 | view[i];
  return value;
}

ByteView Reader::bytes(size_t size) {
  if (size > bytes_.size()) {
    fail();
    return {};
  }
  const ByteView out = bytes_.first(size);
  bytes_ = bytes_.subspan(size);
  return out;
}

ByteView Reader::sized_bytes(size_t size_max) {
  const uint64_t size = varint();
  if (size > size_max) {
    fail();
    return {};
  }
  return bytes(static_cast<size_t>(size));
}

std::string_view Reader::sized_text(size_t size_max) { return as_text(sized_bytes(size_max)); }

std::optional<uint8_t> Reader::peek() const {
  if (bytes_.empty()) return std::nullopt;
  return bytes_[0];
}

void Reader::fail() {
  ok_ = false;
  bytes_ = {};
}

template <class T>
void Writer::fixed(T value) {
  const MutableBytes room = reserve(sizeof(T));
  if (room.size() == sizeof(T)) std::memcpy(room.data(), &value, sizeof(T));
}

void Writer::u8(uint8_t value) { fixed(value); }
void Writer::u16(uint16_t value) { fixed(value); }
void Writer::u32(uint32_t value) { fixed(value); }
void Writer::u64(uint64_t value) { fixed(value); }

static void put_varint(uint64_t value, MutableBytes room) {
  const size_t size = room.size();
  for (size_t i = size; i-- > 0; value >>= 8) room[i] = static_cast<uint8_t>(value);
  const auto log2_size = static_cast<uint8_t>(std::countr_zero(size));
  room[0] = static_cast<uint8_t>(room[0] | log2_size << 6);
}

void Writer::varint(uint64_t value) {
  CHECK(value <= varint_max);
  const MutableBytes room = reserve(varint_size(value));
  if (!room.empty()) put_varint(value, room);
}

void Writer::bytes(ByteView bytes) {
  const MutableBytes room = reserve(bytes.size());
  if (!room.empty()) std::memcpy(room.data(), bytes.data(), bytes.size());
}

void Writer::sized_bytes(ByteView view) {
  varint(view.size());
  bytes(view);
}

void Writer::sized_text(std::string_view text) { sized_bytes(as_bytes(text)); }

void Writer::zeros(size_t count) {
  const MutableBytes room = reserve(count);
  std::fill(room.begin(), room.end(), uint8_t{0});
}

MutableBytes Writer::reserve(size_t size) {
  if (!ok_ || size > remaining()) {
    ok_ = false;
    return {};
  }
  const MutableBytes room = buffer_.subspan(size_, size);
  size_ += size;
  return room;
}

template <class T>
static void append_fixed(Bytes& out, T value) {
  uint8_t raw[sizeof(T)];
  std::memcpy(raw, &value, sizeof(T));
  out.insert(out.end(), raw, raw + sizeof(T));
}

void Builder::u16(uint16_t value) { append_fixed(out_, value); }
void Builder::u32(uint32_t value) { append_fixed(out_, value); }
void Builder::u64(uint64_t value) { append_fixed(out_, value); }

void Builder::varint(uint64_t value) {
  CHECK(value <= varint_max);
  const size_t at = out_.size();
  out_.resize(at + varint_size(value));
  put_varint(value, MutableBytes(out_).subspan(at));
}

void Builder::sized_bytes(ByteView view) {
  varint(view.size());
  bytes(view);
}

void Builder::sized_text(std::string_view text) { sized_bytes(as_bytes(text)); }

ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string to_hex(ByteView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const uint8_t byte : bytes) {
    out.push_back(digits[byte >> 4]);
    out.push_back(digits[byte & 15]);
  }
  return out;
}

static int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::optional<Bytes> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  Bytes out;
  out.reserve(text.size() / 2);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = hex_digit(text[i]);
    const int low = hex_digit(text[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<uint8_t>(high << 4 | low));
  }
  return out;
}

}  // namespace mrt
