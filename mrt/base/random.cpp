// SPDX-License-Identifier: MIT
#include "mrt/base/random.h"

#include <sodium/crypto_stream_chacha20.h>

#include <algorithm>
#include <cstring>

#include "mrt/base/check.h"

namespace mrt {

Random::Random(const Seed& seed) : key_(seed), used_(sizeof(pool_)) {}

void Random::refill() {
  // Eight blocks of the stream under each nonce: 2^67 blocks before a repeat.
  constexpr uint64_t blocks_per_nonce = 8;
  const uint64_t number = block_ / blocks_per_nonce;
  uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];
  static_assert(sizeof nonce == sizeof number);
  std::memcpy(nonce, &number, sizeof nonce);
  pool_.fill(0);
  crypto_stream_chacha20_xor_ic(pool_.data(), pool_.data(), pool_.size(), nonce,
                                block_ % blocks_per_nonce, key_.data());
  ++block_;
  used_ = 0;
}

void Random::fill(MutableBytes out) {
  while (!out.empty()) {
    if (used_ == pool_.size()) refill();
    const size_t size = std::min(out.size(), pool_.size() - used_);
    std::memcpy(out.data(), pool_.data() + used_, size);
    std::memset(pool_.data() + used_, 0, size);  // what was handed out is not kept
    used_ += size;
    out = out.subspan(size);
  }
}

uint64_t Random::u64() {
  uint64_t value;
  std::array<uint8_t, sizeof value> raw;
  fill(raw);
  std::memcpy(&value, raw.data(), sizeof value);
  return value;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  // Reject the uneven tail; at most every second draw is rejected.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t value = u64();
  while (value >= limit) value = u64();
  return value % bound;
}

double Random::unit() { return static_cast<double>(u64() >> 11) * 0x1.0p-53; }

bool Random::chance(double p) { return unit() < p; }

Duration Random::between(Duration low, Duration high) {
  CHECK(low <= high);
  return low +
         Duration(static_cast<int64_t>(below(static_cast<uint64_t>((high - low).count()) + 1)));
}

Random::Seed Random::fork() { return array<32>(); }

Random::Seed seed_from(uint64_t number) {
  Random::Seed seed{};
  std::memcpy(seed.data(), &number, sizeof number);
  return seed;
}

}  // namespace mrt
