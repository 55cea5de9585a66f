// SPDX-License-Identifier: MIT
#include "client/keys.h"

#include <cstdint>

namespace client {

static constexpr uint8_t control_v = 0x16;
static constexpr uint8_t control_x = 0x18;
static constexpr uint8_t escape = 0x1b;

static uint8_t byte_at(std::string_view bytes, size_t i) { return static_cast<uint8_t>(bytes[i]); }

/// ECMA-48 5.4: CSI, parameter bytes, intermediate bytes, one final byte.
static size_t sequence_size(std::string_view bytes) {
  // No key is longer; a sequence without an end is not waited for.
  static constexpr size_t sequence_max = 32;
  for (size_t i = 2; i < bytes.size(); ++i) {
    const uint8_t byte = byte_at(bytes, i);
    if (byte >= 0x40 && byte <= 0x7e) return i + 1;
    if (byte < 0x20 || byte > 0x7e || i >= sequence_max) return i;
  }
  return 0;
}

static size_t character_size(std::string_view bytes) {
  const uint8_t first = byte_at(bytes, 0);
  const size_t size = first < 0xc2 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 1;
  for (size_t i = 1; i < size; ++i) {
    if (i >= bytes.size()) return 0;
    if ((byte_at(bytes, i) & 0xc0) != 0x80) return i;
  }
  return size;
}

size_t key_size(std::string_view bytes) {
  const uint8_t first = byte_at(bytes, 0);
  const bool prefix = first == escape || first == control_v || first == control_x;
  if (!prefix) return character_size(bytes);
  if (bytes.size() == 1) return 0;
  const uint8_t second = byte_at(bytes, 1);
  if (first == escape && second == escape) return 1;
  if (first == escape && (second == '[' || second == 'O')) return sequence_size(bytes);
  const size_t rest = character_size(bytes.substr(1));
  return rest == 0 ? 0 : 1 + rest;
}

}  // namespace client
