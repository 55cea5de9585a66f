// SPDX-License-Identifier: MIT
//
// STUN messages (RFC 8489) as values: what two hosts and a server say about addresses, with the
// attributes of NAT behaviour discovery (RFC 5780) and what a client after RFC 3489 needs. It
// knows neither transactions nor sockets. WIRE.md 8.
//
// 1. What a peer sends never throws, asserts, or takes more than the datagram's size in memory.
// 2. read_message(write_message(m)) is m, for every m that write_message() takes.
// 3. An attribute that comes twice counts once, the first time (RFC 8489 section 14).
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/bytes.h"

namespace stun {

inline constexpr size_t header_bytes = 20;
inline constexpr std::array<uint8_t, 4> magic_cookie = {0x21, 0x12, 0xa4, 0x42};
inline constexpr uint16_t method_binding = 1;
/// SOFTWARE and a reason phrase are shorter than 128 characters: at most 509 bytes in UTF-8
/// (RFC 8489 sections 14.8 and 14.14), 763 by RFC 5389. What is longer is left out.
inline constexpr size_t text_bytes_max = 763;
/// How many attribute types are noted that had to be understood and were not: an answer names
/// them, and shall not become long.
inline constexpr size_t not_understood_max = 8;
/// Of the PADDING that is written. RFC 5780 allows 64 KiB, to see whether fragments pass; our
/// sockets send none.
inline constexpr size_t padding_bytes_max = 1'200;

/// The magic cookie and 96 random bits; or 128 random bits, as RFC 3489 had it.
struct TransactionId {
  std::array<uint8_t, 16> bytes{};
  auto operator<=>(const TransactionId&) const = default;
  bool is_classic() const;
};

enum class Kind : uint8_t { request = 0, indication = 1, success = 2, error = 3 };

/// CHANGE-REQUEST: from where a server shall answer.
struct Change {
  bool ip = false;
  bool port = false;
  bool operator==(const Change&) const = default;
};

struct ErrorCode {
  uint16_t code = 0;  // 300 to 699
  std::string reason;
  bool operator==(const ErrorCode&) const = default;
};
inline constexpr uint16_t error_bad_request = 400;
inline constexpr uint16_t error_unknown_attribute = 420;

struct Message {
  Kind kind = Kind::request;
  uint16_t method = method_binding;
  TransactionId id;

  using MaybeAddress = std::optional<mrt::Address>;
  MaybeAddress mapped{};           // MAPPED-ADDRESS
  MaybeAddress source{};           // SOURCE-ADDRESS (RFC 3489)
  MaybeAddress changed{};          // CHANGED-ADDRESS (RFC 3489)
  MaybeAddress xor_mapped{};       // XOR-MAPPED-ADDRESS
  MaybeAddress response_origin{};  // RESPONSE-ORIGIN (RFC 5780)
  MaybeAddress other_address{};    // OTHER-ADDRESS (RFC 5780)
  std::optional<Change> change{};
  std::optional<uint16_t> response_port{};
  /// WIRE.md 8.3: where a server with one address has its second port.
  std::optional<uint16_t> other_port{};
  std::optional<ErrorCode> error{};
  std::vector<uint16_t> unknown_attributes{};  // what an error 420 names
  std::string software{};
  std::optional<size_t> padding{};  // so many bytes
  bool fingerprint = false;         // there was one, and it was right; or one is wanted

  /// Read, never written: types below 0x8000 that read_message() does not know.
  std::vector<uint16_t> not_understood{};

  bool operator==(const Message&) const = default;
};

/// RFC 7983: which datagrams of a shared socket may be STUN at all.
constexpr bool may_be_stun(uint8_t first_byte) { return first_byte < 4; }

/// Nothing where it is not STUN, is cut or malformed, or has a wrong FINGERPRINT.
std::optional<Message> read_message(mrt::ByteView datagram);
/// With MESSAGE-INTEGRITY under the key, where one is given. REQUIRES: error codes from 300 to
/// 699, texts up to text_bytes_max, padding up to padding_bytes_max.
mrt::Bytes write_message(const Message& message, mrt::ByteView integrity_key = {});
/// There is a MESSAGE-INTEGRITY in it, and it is the key's. For short-term credentials the key is
/// the password, for long-term ones MD5(name ":" realm ":" password) (RFC 8489 section 9).
bool has_right_integrity(mrt::ByteView datagram, mrt::ByteView key);

}  // namespace stun
