// SPDX-License-Identifier: MIT
//
// The only place where the operating system is asked for randomness. Everything below
// the drivers draws from a mrt::Random that was keyed with such a seed.
#pragma once

#include "mrt/base/random.h"

namespace mrt::uv {

/// 32 bytes of getrandom(2). Aborts where the kernel has none: nothing may run without.
Random::Seed entropy_seed();

}  // namespace mrt::uv
