// SPDX-License-Identifier: MIT
//
// Bytes that nobody may find later: keys, scalars, passwords. They are overwritten when they go,
// also where a compiler would think that nobody looks.
#pragma once

#include <array>
#include <cstdint>

#include "mrt/base/bytes.h"

namespace mrt {

/// Overwrites with zeros, whatever the optimiser thinks of it.
void wipe(MutableBytes bytes);

template <size_t N>
class SecretArray {
 public:
  SecretArray() = default;
  explicit SecretArray(const std::array<uint8_t, N>& bytes) : bytes_(bytes) {}
  SecretArray(const SecretArray&) = default;
  SecretArray& operator=(const SecretArray&) = default;
  ~SecretArray() { wipe(bytes_); }

  static constexpr size_t size() { return N; }
  const uint8_t* data() const { return bytes_.data(); }
  uint8_t* data() { return bytes_.data(); }
  ByteView view() const { return bytes_; }
  MutableBytes room() { return bytes_; }

 private:
  std::array<uint8_t, N> bytes_{};
};

}  // namespace mrt
