// SPDX-License-Identifier: MIT
//
// The demo's libuv loop, turned inside out: wait_until() runs it until something holds, so
// that a scene reads from top to bottom. It knows nothing of nodes.
//
// 1. Every wait has a deadline; one that passes, SIGINT, SIGTERM and SIGHUP throw DemoStopped,
//    and destructors clean up on the way out.
#pragma once

#include <uv.h>

#include <csignal>
#include <cstdint>
#include <functional>
#include <string>

namespace client {

/// Why the demo cannot go on, and what it exits with.
struct DemoStopped {
  int exit_code;
  std::string why;
};

class DemoLoop {
 public:
  DemoLoop();
  ~DemoLoop();
  DemoLoop(const DemoLoop&) = delete;
  DemoLoop& operator=(const DemoLoop&) = delete;

  uv_loop_t* loop() { return &loop_; }
  /// Nanoseconds of the monotonic clock.
  static uint64_t now() { return uv_hrtime(); }

  using Condition = std::function<bool()>;
  /// Runs the loop until `condition` holds; throws, naming `what`, after `limit_ms`.
  void wait_until(const std::string& what, uint64_t limit_ms, const Condition& condition);
  /// The same without throwing, deaf to signals: for cleaning up. Whether the condition held.
  bool try_until(uint64_t limit_ms, const Condition& condition);
  void pause(uint64_t ms);
  /// Until a key is pressed, or standard input ends, however long that takes.
  void wait_for_key();

 private:
  static constexpr int signals_[] = {SIGINT, SIGTERM, SIGHUP};
  void run_once(uint64_t deadline);
  void check_interrupted() const;

  uv_loop_t loop_{};
  uv_timer_t timer_{};
  uv_signal_t watchers_[3]{};
  bool interrupted_ = false;
};

}  // namespace client
