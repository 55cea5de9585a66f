// SPDX-License-Identifier: MIT
//
// What `bench send` and `bench ping` say to `bench serve` on ordered streams that they open. Pure.
//
//   bulk    'B', then bytes that mean nothing, until the stream ends
//   ping    'P' size(4) nonce(16) host(16), then messages of `size` bytes one behind the other
//   answer  shared(1), then for each message its bytes and received(8)
//
// `host` is a keyed hash of the host's boot id: whoever has the same one shares its clock and
// learns nothing else. `received` is CLOCK_MONOTONIC in ns where `shared` is 1, else 0.
//
// 1. Nothing that the other side says makes BenchAnswer or BenchEchoes keep more than a head.
// 2. The answer to one call of on_bytes() is at most nine times its bytes, and one byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/random.h"
#include "mrt/base/time.h"

namespace client {

inline constexpr uint8_t bench_kind_bulk = 'B';
inline constexpr uint8_t bench_kind_ping = 'P';
inline constexpr size_t bench_ping_head_bytes = 1 + 4 + 16 + 16;
inline constexpr size_t bench_time_bytes = 8;
inline constexpr uint32_t bench_ping_bytes_max = 65'536;

/// This host's boot id; empty where the system has none.
std::string boot_id();

mrt::Bytes ping_head(uint32_t size, const std::array<uint8_t, 16>& nonce,
                     const std::string& boot_id);
/// The last eight bytes of an answer.
mrt::Bytes time_bytes(mrt::Instant at);
mrt::Instant time_of(mrt::ByteView eight);

/// The server's half of one stream.
class BenchAnswer {
 public:
  explicit BenchAnswer(std::string boot_id) : boot_id_(std::move(boot_id)) {}

  /// Appends to `answer` what is to be sent back. False: the peer speaks no bench.
  bool on_bytes(mrt::Instant now, mrt::ByteView bytes, mrt::Bytes& answer);
  bool is_bulk() const { return kind_ == bench_kind_bulk; }
  uint64_t bulk_bytes() const { return bulk_bytes_; }
  uint64_t messages() const { return messages_; }

 private:
  bool on_head(mrt::ByteView& bytes, mrt::Bytes& answer);
  void on_messages(mrt::Instant now, mrt::ByteView bytes, mrt::Bytes& answer);

  std::string boot_id_;
  uint8_t kind_ = 0;  // nothing was said yet
  mrt::Bytes head_;   // of a ping, until it is whole
  uint32_t size_ = 0;
  uint32_t missing_ = 0;  // of the message under way
  bool shared_ = false;
  uint64_t bulk_bytes_ = 0;
  uint64_t messages_ = 0;
};

/// The client's half of a ping: what comes back.
class BenchEchoes {
 public:
  explicit BenchEchoes(size_t message_bytes) : message_bytes_(message_bytes) {}

  /// Appends when each message that is whole now was received there; what that means, shared()
  /// says.
  void on_bytes(mrt::ByteView bytes, std::vector<mrt::Instant>& received);
  /// Both ends have one clock. Nothing until the first byte.
  std::optional<bool> shared() const { return shared_; }

 private:
  size_t message_bytes_;
  std::optional<bool> shared_;
  size_t into_ = 0;  // bytes of the message and its time that were there
  std::array<uint8_t, bench_time_bytes> time_{};
};

}  // namespace client
