// SPDX-License-Identifier: MIT
//
// Tells when a descriptor can be read or written, and leaves its mode alone: uv_poll would
// make it non-blocking for every process that shares it, the user's shell included. An epoll
// set of our own stands between.
#pragma once

#include <uv.h>

#include <functional>

#include "client/uv_handle.h"

namespace client {

class FdWatch {
 public:
  enum class For { reading, writing };

  explicit FdWatch(uv_loop_t* loop) : loop_(loop) {}
  ~FdWatch();
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;

  /// Calls `on_ready` from the loop as long as the descriptor is ready, until stop(). False
  /// where it is of a kind that is always ready: a regular file.
  bool start(int fd, For what, std::function<void()> on_ready);
  void stop();

 private:
  uv_loop_t* loop_;
  int epoll_ = -1;
  Handle<uv_poll_t> poll_;
  std::function<void()> on_ready_;
};

}  // namespace client
