// SPDX-License-Identifier: MIT
#include "client/demo_loop.h"

#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <csignal>
#include <iterator>

#include "mrt/base/check.h"

namespace client {

namespace {

// A key counts as soon as it is pressed and is not shown; Ctrl-C stays a signal.
class KeyMode {
 public:
  KeyMode() : set_(tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!set_) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~KeyMode() {
    if (set_) tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  KeyMode(const KeyMode&) = delete;
  KeyMode& operator=(const KeyMode&) = delete;

 private:
  termios before_{};
  bool set_;
};

bool key_pressed() {
  pollfd input{STDIN_FILENO, POLLIN, 0};
  if (poll(&input, 1, 0) <= 0) return false;
  char key = 0;
  return read(STDIN_FILENO, &key, 1) >= 0;  // the end of the input lets the demo go on, too
}

}  // namespace

DemoLoop::DemoLoop() {
  std::signal(SIGPIPE, SIG_IGN);  // a node that is gone is seen by its end, not by a signal
  CHECK(uv_loop_init(&loop_) == 0);
  CHECK(uv_timer_init(&loop_, &timer_) == 0);
  for (size_t i = 0; i < std::size(signals_); ++i) {
    uv_signal_t& watcher = watchers_[i];
    CHECK(uv_signal_init(&loop_, &watcher) == 0);
    watcher.data = this;
    const auto on_signal = [](uv_signal_t* handle, int) {
      static_cast<DemoLoop*>(handle->data)->interrupted_ = true;
    };
    CHECK(uv_signal_start(&watcher, on_signal, signals_[i]) == 0);
  }
}

DemoLoop::~DemoLoop() {
  uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
  for (auto& watcher : watchers_) uv_close(reinterpret_cast<uv_handle_t*>(&watcher), nullptr);
  uv_run(&loop_, UV_RUN_DEFAULT);
  CHECK(uv_loop_close(&loop_) == 0);
}

void DemoLoop::wait_until(const std::string& what, uint64_t limit_ms, const Condition& condition) {
  const uint64_t deadline = now() + limit_ms * 1'000'000;
  while (!condition()) {
    check_interrupted();
    if (now() >= deadline) throw DemoStopped{1, what};
    run_once(deadline);
  }
}

bool DemoLoop::try_until(uint64_t limit_ms, const Condition& condition) {
  const uint64_t deadline = now() + limit_ms * 1'000'000;
  while (!condition()) {
    if (now() >= deadline) return false;
    run_once(deadline);
  }
  return true;
}

void DemoLoop::pause(uint64_t ms) {
  const uint64_t end = now() + ms * 1'000'000;
  wait_until("a pause", ms + 1'000, [end] { return now() >= end; });
}

void DemoLoop::wait_for_key() {
  const KeyMode mode;
  // The nodes' events go on being read meanwhile, so that no pipe fills up.
  while (!key_pressed()) pause(20);
}

void DemoLoop::run_once(uint64_t deadline) {
  const uint64_t at = now();
  const uint64_t left_ms = deadline > at ? (deadline - at + 999'999) / 1'000'000 : 0;
  uv_update_time(&loop_);
  uv_timer_start(
      &timer_, [](uv_timer_t*) {}, left_ms, 0);
  uv_run(&loop_, UV_RUN_ONCE);
  uv_timer_stop(&timer_);
}

void DemoLoop::check_interrupted() const {
  if (interrupted_) throw DemoStopped{130, "interrupted"};
}

}  // namespace client
