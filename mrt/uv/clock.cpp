// SPDX-License-Identifier: MIT
#include "mrt/uv/clock.h"

#include <uv.h>

#include <chrono>
#include <ctime>

namespace mrt::uv {

Instant monotonic_now() { return Instant(Duration(static_cast<int64_t>(uv_hrtime()))); }

int64_t wall_clock_ms() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

double cpu_seconds() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

}  // namespace mrt::uv
