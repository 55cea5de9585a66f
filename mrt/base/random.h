// SPDX-License-Identifier: MIT
//
// The one generator below the drivers: ChaCha20 (RFC 8439) as a stream, keyed with 32
// bytes from the driver (getrandom) or the simulator. Fit for keys, ids and cookies.
//
// 1. The same seed gives the same values on every machine: no std::*_distribution.
// 2. It does not know the operating system.
#pragma once

#include <array>
#include <cstdint>

#include "mrt/base/bytes.h"
#include "mrt/base/time.h"

namespace mrt {

class Random {
 public:
  using Seed = std::array<uint8_t, 32>;

  explicit Random(const Seed& seed);

  uint64_t u64();
  /// Uniform in [0, bound), without bias. REQUIRES: bound > 0.
  uint64_t below(uint64_t bound);
  /// True with probability p (0 to 1).
  bool chance(double p);
  /// Uniform in [0, 1), 53 bits.
  double unit();
  /// Uniform in [low, high]. REQUIRES: low <= high.
  Duration between(Duration low, Duration high);
  void fill(MutableBytes out);
  template <size_t N>
  std::array<uint8_t, N> array() {
    std::array<uint8_t, N> out;
    fill(out);
    return out;
  }
  /// A seed for a generator of its own, so that one part's draws do not shift another's.
  Seed fork();

 private:
  void refill();

  Seed key_;
  uint64_t block_ = 0;
  size_t used_;
  std::array<uint8_t, 64> pool_;  // one ChaCha20 block: each connection has generators of its own
};

/// A seed from a small number, for simulations and tests.
Random::Seed seed_from(uint64_t number);

}  // namespace mrt
