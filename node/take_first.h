// SPDX-License-Identifier: MIT
//
// What every poll_*() does with its queue: the first element is taken out, where there is one.
#pragma once

#include <deque>
#include <optional>
#include <utility>

namespace node {

template <class T>
std::optional<T> take_first(std::deque<T>& queue) {
  std::optional<T> first;
  if (!queue.empty()) {
    first.emplace(std::move(queue.front()));
    queue.pop_front();
  }
  return first;
}

}  // namespace node
