// SPDX-License-Identifier: MIT
#include "mrt/uv/clock.h"

#include <uv.h>

#include <chrono>

namespace mrt::uv {

Instant monotonic_now() { return Instant(Duration(static_cast<int64_t>(uv_hrtime()))); }

int64_t wall_clock_ms() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(since_epoch).count();
}

}  // namespace mrt::uv
