// SPDX-License-Identifier: MIT
//
// Signals as events of the loop, while this lives. It knows nothing of what they mean.
#pragma once

#include <uv.h>

#include <functional>
#include <initializer_list>
#include <vector>

#include "client/uv_handle.h"

namespace client {

class Signals {
 public:
  Signals(uv_loop_t* loop, std::initializer_list<int> numbers, std::function<void(int)> on_signal)
      : on_signal_(std::move(on_signal)) {
    for (const int number : numbers) {
      watchers_.emplace_back(new uv_signal_t);
      uv_signal_t* const watcher = watchers_.back().get();
      uv_signal_init(loop, watcher);
      watcher->data = this;
      uv_signal_start(watcher, &Signals::on_caught, number);
    }
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static void on_caught(uv_signal_t* watcher, int number) {
    // A copy: what it does may end these Signals.
    const auto on_signal = static_cast<Signals*>(watcher->data)->on_signal_;
    on_signal(number);
  }

  std::function<void(int)> on_signal_;
  std::vector<Handle<uv_signal_t>> watchers_;
};

}  // namespace client
