// SPDX-License-Identifier: MIT
#include "mrt/base/secret.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <new>

using namespace mrt;

namespace {

bool all_zero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](uint8_t byte) { return byte == 0; });
}

std::array<uint8_t, 32> counting() {
  std::array<uint8_t, 32> bytes;
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i + 1);
  return bytes;
}

}  // namespace

TEST_CASE("wiping overwrites what it is given and not its neighbours") {
  auto bytes = counting();
  wipe(MutableBytes(bytes).subspan(8, 16));
  CHECK(all_zero(ByteView(bytes).subspan(8, 16)));
  CHECK(bytes[7] == 8);
  CHECK(bytes[24] == 25);
  wipe({});
  CHECK(bytes[0] == 1);
}

TEST_CASE("a secret's bytes are gone when it is") {
  using Secret = SecretArray<32>;
  alignas(Secret) std::array<uint8_t, sizeof(Secret)> memory{};
  Secret* const secret = new (memory.data()) Secret(counting());
  CHECK_FALSE(all_zero(memory));
  secret->~Secret();
  CHECK(all_zero(memory));
}

TEST_CASE("a secret starts as zeros and its copy is its own") {
  SecretArray<32> one;
  CHECK(all_zero(one.view()));
  CHECK(one.size() == 32);
  one = SecretArray<32>(counting());
  SecretArray<32> two = one;
  one.room()[0] = 99;
  CHECK(one.data()[0] == 99);
  CHECK(two.data()[0] == 1);
}
