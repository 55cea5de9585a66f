// SPDX-License-Identifier: MIT
//
// A libuv loop for tests: turned until something is so, with a watchdog against what never
// becomes so, and empty at its end.
#pragma once

#include <doctest/doctest.h>
#include <uv.h>

#include <functional>

#include "unit/mrt_uv/socket_fixture.h"

namespace fixture {

/// A loop that a test turns until something is so; a watchdog ends what never is.
class TurningLoop {
 public:
  TurningLoop() {
    uv_loop_init(&loop_);
    uv_timer_init(&loop_, &watchdog_);
    watchdog_.data = this;
    const auto on_late = [](uv_timer_t* timer) {
      static_cast<TurningLoop*>(timer->data)->late_ = true;
    };
    uv_timer_start(&watchdog_, on_late, fixture::patience_ms, 0);
    uv_unref(reinterpret_cast<uv_handle_t*>(&watchdog_));
  }
  /// All drivers must be closed: then nothing is left in the loop.
  ~TurningLoop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&watchdog_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&loop_) == 0);
  }
  void turn_until(const std::function<bool()>& so) {
    while (!so()) {
      REQUIRE_MESSAGE(!late_, "waited in vain");
      uv_run(&loop_, UV_RUN_ONCE);
      ++turns_;
    }
  }
  uv_loop_t& uv() { return loop_; }
  uint64_t turns() const { return turns_; }

 private:
  uv_loop_t loop_{};
  uv_timer_t watchdog_{};
  uint64_t turns_ = 0;
  bool late_ = false;
};

}  // namespace fixture
