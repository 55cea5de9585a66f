// SPDX-License-Identifier: MIT
//
// Bytes that look like a file, the same in every run and in any language: the high bits of
// the C standard's example generator.
#pragma once

#include <cstddef>
#include <cstdint>

#include "mrt/base/bytes.h"

inline mrt::Bytes pattern(size_t size, uint32_t seed = 1) {
  mrt::Bytes out(size);
  for (uint8_t& byte : out) {
    seed = (seed * 1103515245u + 12345u) & 0x7fffffffu;
    byte = static_cast<uint8_t>(seed >> 16);
  }
  return out;
}
