// SPDX-License-Identifier: MIT
//
// File messages on their way into connections, by neighbour. Requests and failures go before
// chunks; neighbours take turns; one whose connection is full is left alone until it is
// writable again.
//
// 1. A message is here until poll() gives it out; put_back() makes it the first of its neighbour.
// 2. Whoever puts chunks in bounds them by unsent().
// 3. At most control_messages_max others wait for one neighbour; what is above is dropped: who
//    asks without reading the answers gets none, and asks again if it was honest.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "mrt/types.h"
#include "node/ids.h"

namespace node {

/// One reliable message to a neighbour: mrt::Endpoint::send_message's arguments.
struct Outgoing {
  NodeId to;
  mrt::Priority priority = mrt::Priority::normal;
  mrt::SharedBytes message;
};

/// Twice what may wait of one neighbour's fetches (source.h): 64 KB.
inline constexpr size_t control_messages_max = 1'024;

class Outbox {
 public:
  void put(Outgoing message);
  /// The connection refused it: blocked until on_writable().
  void put_back(Outgoing message);
  void on_writable(const NodeId& peer);
  void on_peer_gone(const NodeId& peer);
  /// The chunks that wait for this neighbour wait no longer.
  std::deque<Outgoing> take_chunks(const NodeId& peer);
  void drop_chunks();
  std::optional<Outgoing> poll();

  bool is_blocked(const NodeId& peer) const;
  /// Chunks (bulk messages) that wait for this neighbour.
  size_t unsent(const NodeId& peer) const;
  size_t unsent() const { return chunks_; }
  bool is_consistent() const;

 private:
  struct Peer {
    std::deque<Outgoing> control;
    std::deque<Outgoing> chunks;
    bool blocked = false;
    bool empty() const { return control.empty() && chunks.empty(); }
  };

  std::map<NodeId, Peer> peers_;  // only those with messages or blocked
  std::set<NodeId> ready_;        // those with messages and not blocked
  NodeId last_;                   // whose turn was the last
  size_t chunks_ = 0;
};

}  // namespace node
