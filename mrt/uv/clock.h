// SPDX-License-Identifier: MIT
//
// The only place where clocks are read. Everything below the drivers is given `now`.
#pragma once

#include <cstdint>

#include "mrt/base/time.h"

namespace mrt::uv {

/// CLOCK_MONOTONIC: never runs backwards, and goes on while the process is stopped.
Instant monotonic_now();

/// Unix time in milliseconds, for what people and logs see; never for deciding anything.
int64_t wall_clock_ms();

/// User and system time of this process so far; never for deciding anything.
double cpu_seconds();

}  // namespace mrt::uv
