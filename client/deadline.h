// SPDX-License-Identifier: MIT
//
// A one-shot timer on the loop. Nothing in the client polls: each is armed for one thing.
#pragma once

#include <uv.h>

#include <chrono>
#include <functional>

#include "client/uv_handle.h"

namespace client {

class Deadline {
 public:
  explicit Deadline(uv_loop_t* loop) : timer_(new uv_timer_t) {
    uv_timer_init(loop, timer_.get());
    timer_->data = this;
  }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  /// Calls `due` once, `after` from now; what was armed before is forgotten.
  void arm(std::chrono::milliseconds after, std::function<void()> due) {
    due_ = std::move(due);
    uv_update_time(timer_->loop);
    uv_timer_start(timer_.get(), &Deadline::on_timer, static_cast<uint64_t>(after.count()), 0);
  }
  void disarm() { uv_timer_stop(timer_.get()); }
  bool is_armed() const {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(timer_.get())) != 0;
  }

 private:
  static void on_timer(uv_timer_t* timer) {
    // Taken out first: what is due may arm the deadline again.
    const auto due = std::move(static_cast<Deadline*>(timer->data)->due_);
    due();
  }

  Handle<uv_timer_t> timer_;
  std::function<void()> due_;
};

}  // namespace client
