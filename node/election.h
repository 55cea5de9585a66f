// SPDX-License-Identifier: MIT
//
// Who succeeds: a pure function of who is here and how well the supernode reaches each. It
// knows no connections, time-outs or messages.
//
// 1. The same candidates give the same succession on every node.
// 2. Stable: a new measurement reorders two members only when it moves one of them to another
//    class, and classes are wide (each RTT class is four times the one before).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mrt/base/time.h"
#include "node/ids.h"

namespace node {

struct Candidate {
  NodeId node;
  bool reachable = true;  // others can open a connection to it
  mrt::Duration rtt{};    // smoothed, from the supernode; the longest while unknown
  double loss = 0;        // share of packets lost on the way to it
  uint64_t joined = 0;    // how many had joined before it: the oldest member has the lowest
};

/// Ranks 1, 2, ...: the first is the first successor. By reachability, then class of RTT and
/// loss, then who has been here longest (most likely to stay: Stutzbach and Rejaie,
/// "Understanding churn in peer-to-peer networks", 2006), then id.
std::vector<NodeId> succession(std::span<const Candidate> candidates);

/// 0 for up to 16 ms, 1 up to 64 ms, 2 up to 256 ms, ...
uint32_t rtt_class(mrt::Duration rtt);
/// 0 below 2 % loss, 1 below 10 %, 2 above.
uint32_t loss_class(double loss);

}  // namespace node
