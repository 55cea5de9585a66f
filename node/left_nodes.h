// SPDX-License-Identifier: MIT
//
// Supernodes that broke the rules and were left: they are not followed again for a while, so that
// a star does not run in circles with them. It knows no connections.
//
// 1. At most left_nodes_max are remembered; the one that was left first is forgotten first.
#pragma once

#include <algorithm>
#include <deque>
#include <utility>

#include "mrt/base/time.h"
#include "node/ids.h"

namespace node {

/// Long enough that a star has another supernode and the user has seen why; a node whose fault
/// was mended comes back by itself.
inline constexpr mrt::Duration left_time = std::chrono::minutes(10);
/// New identities are free: a longer list would keep out nobody.
inline constexpr size_t left_nodes_max = 256;

class LeftNodes {
 public:
  void add(mrt::Instant now, const NodeId& node) {
    std::erase_if(nodes_, [&](const auto& one) { return one.second == node; });
    nodes_.emplace_back(now + left_time, node);
    if (nodes_.size() > left_nodes_max) nodes_.pop_front();
  }
  bool contains(mrt::Instant now, const NodeId& node) const {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [&](const auto& one) { return one.second == node && now < one.first; });
  }

 private:
  std::deque<std::pair<mrt::Instant, NodeId>> nodes_;  // until when; in the order of leaving
};

}  // namespace node
