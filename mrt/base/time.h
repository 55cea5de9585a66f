// SPDX-License-Identifier: MIT
//
// Time as a value. The core never asks what time it is: each input carries `now`, an
// instant on a timeline that only a driver (libuv's monotonic clock, the simulator's
// virtual one) can read. Wall-clock time does not exist below the client.
#pragma once

#include <chrono>
#include <cstdint>

namespace mrt {

using Duration = std::chrono::nanoseconds;

/// A timeline without now(): std::chrono arithmetic, and no way to read a clock.
struct Timeline {
  using duration = Duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<Timeline, duration>;
  static constexpr bool is_steady = true;
};

using Instant = Timeline::time_point;

/// The deadline of a timer that is not set. Compares later than every real instant.
inline constexpr Instant never = Instant::max();

constexpr int64_t to_ms(Duration d) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
}
constexpr int64_t to_us(Duration d) {
  return std::chrono::duration_cast<std::chrono::microseconds>(d).count();
}
constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace mrt
