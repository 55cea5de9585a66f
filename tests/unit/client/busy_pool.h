// SPDX-License-Identifier: MIT
//
// Keeps all threads of libuv's pool busy, so that what is asked of it waits.
#pragma once

#include <uv.h>

#include <iterator>

namespace client {

class BusyPool {
 public:
  explicit BusyPool(uv_loop_t* loop) {
    uv_sem_init(&gate_, 0);
    for (uv_work_t& one : work_) {
      one.data = &gate_;
      uv_queue_work(
          loop, &one, [](uv_work_t* work) { uv_sem_wait(static_cast<uv_sem_t*>(work->data)); },
          [](uv_work_t*, int) {});
    }
  }
  /// REQUIRES before the end: this, and the loop's run.
  void open() {
    for (size_t i = 0; i < std::size(work_); ++i) uv_sem_post(&gate_);
  }
  ~BusyPool() { uv_sem_destroy(&gate_); }
  BusyPool(const BusyPool&) = delete;
  BusyPool& operator=(const BusyPool&) = delete;

 private:
  uv_sem_t gate_{};
  uv_work_t work_[4]{};  // as many as libuv has threads
};

}  // namespace client
