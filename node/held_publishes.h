// SPDX-License-Identifier: MIT
//
// Broadcasts that wait at a supernode while nothing may be ordered. It knows no order.
//
// 1. Where it is full no member is read any more, so that what it holds is bounded by that, by
//    one message of each member or the few that its Survivor brought, and by what this node itself
//    may have pending.
#pragma once

#include <deque>
#include <utility>

#include "node/message.h"
#include "node/order.h"

namespace node {

class HeldPublishes {
 public:
  void push(const NodeId& sender, const Publish& message) {
    bytes_ += kept_size(message.body);
    waiting_.emplace_back(sender, message);
  }
  /// REQUIRES: !empty().
  std::pair<NodeId, Publish> pop() {
    auto first = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= kept_size(first.second.body);
    return first;
  }
  void clear() { *this = {}; }
  bool empty() const { return waiting_.empty(); }
  /// As much as one sender may keep for itself (order.h).
  bool is_full() const {
    return waiting_.size() >= pending_messages_max || bytes_ >= pending_bytes_max;
  }

 private:
  std::deque<std::pair<NodeId, Publish>> waiting_;
  size_t bytes_ = 0;
};

}  // namespace node
