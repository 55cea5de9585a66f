// SPDX-License-Identifier: MIT
//
// What libFuzzer calls: the one target that this program was compiled for.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  fuzz::THUBAN_FUZZ_TARGET({bytes, size});
  return 0;
}
