// SPDX-License-Identifier: MIT
#include "mrt/uv/entropy.h"

#include <sys/random.h>

#include "mrt/base/check.h"

namespace mrt::uv {

Random::Seed entropy_seed() {
  Random::Seed seed;
  // Up to 256 bytes are never cut short by a signal once the pool is ready (getrandom(2)).
  CHECK(getrandom(seed.data(), seed.size(), 0) == static_cast<ssize_t>(seed.size()));
  return seed;
}

}  // namespace mrt::uv
