// SPDX-License-Identifier: MIT
//
// Where one connection sends, and how large: the address and whether it is proven, and the
// size of packets that the path carries. Neither knows packets; who sends probes asks.
//
// 1. To an address that is not proven go at most three times the bytes that came from it.
// 2. A packet size is used only after a probe of that size was acknowledged.
#pragma once

#include <memory>
#include <optional>

#include "mrt/base/address.h"
#include "mrt/base/time.h"
#include "mrt/wire.h"

namespace mrt {

/// The current path and, while it is not proven, the last one that was (WIRE.md 5.5).
class PathValidator {
 public:
  PathValidator(const Path& path, bool proven) : path_(path), proven_(proven) {}

  const Path& path() const { return path_; }
  bool proven() const { return proven_; }
  /// Bytes that may be sent there now.
  size_t allowance() const;
  void on_received(const Address& from, size_t bytes);
  void on_sent(size_t bytes) { sent_ += bytes; }
  /// The peer has shown otherwise that it is there (the handshake).
  void prove() { proven_ = true; }
  /// The local end may change freely: it is the remote one that must be proven.
  void set_local(const Address& local) { path_.local = local; }

  /// The peer sends from elsewhere. True if that must be proven first, with `challenge`.
  bool move_to(Instant now, const Path& path, size_t bytes, uint64_t challenge, Duration timeout);
  std::optional<uint64_t> challenge_to_send() const;
  void on_challenge_sent() { challenge_due_ = false; }
  /// True if it proves the current address.
  bool on_response(uint64_t value);
  /// The challenge was not answered for that long: again, and at last back.
  /// True where the path is again the last proven one.
  bool on_timeout(Instant now);
  Instant deadline() const { return deadline_; }

 private:
  Path path_;
  bool proven_;
  uint64_t received_ = 0;  // while it is not proven
  uint64_t sent_ = 0;
  std::unique_ptr<Path> last_proven_;  // while the current one is not
  uint64_t challenge_ = 0;
  bool challenge_due_ = false;
  int attempts_ = 0;
  Duration timeout_{};
  Instant deadline_ = never;
};

/// Packet sizes after RFC 8899: the sizes that links are known to carry, one after the other;
/// then, between the last that passed and the first that did not, by halves.
class MtuProber {
 public:
  explicit MtuProber(size_t bytes_max) : bytes_max_(bytes_max) {}

  size_t packet_bytes() const { return packet_bytes_; }
  /// The size of a probe to send now; probes cost at most a small part of what is sent.
  std::optional<size_t> probe_due(Instant now, uint64_t bytes_sent);
  void on_probe_sent(Instant now, size_t bytes, Duration timeout);
  /// True where packets may now be larger.
  bool on_probe_acked(size_t bytes);
  /// The probe is lost. `loss` is the share of packets of proven sizes that are lost on this path.
  void on_timeout(Instant now, double loss);
  Instant deadline() const { return deadline_; }

  /// A packet above the first size has arrived.
  void on_large_acked() { rounds_lost_ = packets_lost_ = 0; }
  /// One ACK told that so many were lost, all of them above the first size, and that others have
  /// arrived, none of them above it.
  /// True where the path has become a black hole: packets are small again.
  bool on_large_lost(size_t packets, double loss);

 private:
  std::optional<size_t> next_size() const;

  size_t bytes_max_;
  size_t packet_bytes_ = packet_bytes_initial;
  size_t failed_ = SIZE_MAX;  // the smallest size that did not pass
  size_t probe_bytes_ = 0;    // of the probe that is out
  uint64_t probe_bytes_sent_ = 0;
  int failures_ = 0;  // of that size, one after the other
  int rounds_lost_ = 0;
  int packets_lost_ = 0;
  Instant deadline_ = never;  // of the probe that is out
  Instant raise_at_ = never;  // a search has ended below what may be: the next one
};

}  // namespace mrt
