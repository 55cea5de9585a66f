// SPDX-License-Identifier: MIT
#include "mrt/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace mrt {

void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "thuban: CHECK failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace mrt
