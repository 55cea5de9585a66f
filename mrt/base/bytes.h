// SPDX-License-Identifier: MIT
//
// Bounded reading and writing of bytes. Integers are little-endian; varints are those of
// RFC 9000 section 16 (1, 2, 4 or 8 bytes, up to 2^62 - 1).
//
// 1. A Reader never reads past its span. After the first short read it has failed for
//    good: ok() is false and everything further reads as zero or empty. Parsers
//    read all fields and ask ok() once.
// 2. A Writer never writes past its span; after the first overflow ok() is false and
//    nothing more is written.
// 3. Neither throws or allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mrt {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

inline constexpr uint64_t varint_max = (uint64_t{1} << 62) - 1;
inline constexpr size_t varint_size_max = 8;

/// Bytes that `value` takes as a varint: 1, 2, 4 or 8. REQUIRES: value <= varint_max.
constexpr size_t varint_size(uint64_t value) {
  return value < (1u << 6) ? 1 : value < (1u << 14) ? 2 : value < (1u << 30) ? 4 : 8;
}

class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  /// All read and nothing failed: what a message parser returns at its end.
  bool done() const { return ok_ && bytes_.empty(); }
  size_t remaining() const { return bytes_.size(); }

  uint8_t u8();
  uint16_t u16();
  uint32_t u32();
  uint64_t u64();
  uint64_t varint();
  /// The next `size` bytes, a view into the input; empty and failed where fewer are left.
  ByteView bytes(size_t size);
  ByteView rest() { return bytes(remaining()); }
  /// A varint length, at most `size_max`, then so many bytes.
  ByteView sized_bytes(size_t size_max);
  std::string_view sized_text(size_t size_max);
  template <size_t N>
  std::array<uint8_t, N> array() {
    std::array<uint8_t, N> out{};
    const ByteView view = bytes(N);
    for (size_t i = 0; i < view.size(); ++i) out[i] = view[i];
    return out;
  }
  /// The next byte without taking it; nothing at the end.
  std::optional<uint8_t> peek() const;
  /// A value was read that cannot be: from now on as if the input had ended.
  void fail();

 private:
  template <class T>
  T fixed();

  ByteView bytes_;
  bool ok_ = true;
};

class Writer {
 public:
  explicit Writer(MutableBytes buffer) : buffer_(buffer) {}

  bool ok() const { return ok_; }
  size_t size() const { return size_; }
  size_t remaining() const { return buffer_.size() - size_; }
  /// What has been written so far.
  MutableBytes written() const { return buffer_.first(size_); }

  void u8(uint8_t value);
  void u16(uint16_t value);
  void u32(uint32_t value);
  void u64(uint64_t value);
  /// REQUIRES: value <= varint_max.
  void varint(uint64_t value);
  void bytes(ByteView bytes);
  void sized_bytes(ByteView bytes);
  void sized_text(std::string_view text);
  void zeros(size_t count);
  /// Room to be filled by the caller; empty where it does not fit.
  MutableBytes reserve(size_t size);

 private:
  template <class T>
  void fixed(T value);

  MutableBytes buffer_;
  size_t size_ = 0;
  bool ok_ = true;
};

/// Appends to a vector; for messages whose size is not known beforehand.
class Builder {
 public:
  void u8(uint8_t value) { out_.push_back(value); }
  void u16(uint16_t value);
  void u32(uint32_t value);
  void u64(uint64_t value);
  /// REQUIRES: value <= varint_max.
  void varint(uint64_t value);
  void bytes(ByteView bytes) { out_.insert(out_.end(), bytes.begin(), bytes.end()); }
  void sized_bytes(ByteView bytes);
  void sized_text(std::string_view text);
  size_t size() const { return out_.size(); }
  Bytes take() { return std::move(out_); }

 private:
  Bytes out_;
};

ByteView as_bytes(std::string_view text);
std::string_view as_text(ByteView bytes);
std::string to_hex(ByteView bytes);
/// Lower or upper case; nothing where a character is not hexadecimal or one is left over.
std::optional<Bytes> from_hex(std::string_view text);

}  // namespace mrt
