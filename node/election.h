// SPDX-License-Identifier: MIT
//
// Who succeeds: a pure function of who is here and how well the supernode reaches each. It
// knows no connections, time-outs or messages.
//
// 1. The same candidates give the same succession on every node.
// 2. Stable: a new measurement reorders two members only when it moves one of them to another
//    class. Classes are wide (each RTT class is four times the one before), and left only for what
//    lies a quarter beyond their edge: what lies on an edge moves nobody back and forth.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "mrt/base/time.h"
#include "node/ids.h"

namespace node {

/// What was measured of a member, as the classes that it is in.
class Grade {
 public:
  /// Smoothed, from the supernode. Classes end at 16 ms, 64 ms, 256 ms, ...
  void measure_rtt(mrt::Duration rtt);
  /// Share of packets lost on the way to it. Classes end at 2 % and 10 %.
  void measure_loss(double loss);
  /// How late its timers fire on average: a busy host relays as late. Classes end at 20 ms, which
  /// people do not notice in a chat, and 100 ms, a keep-alive interval.
  void measure_lateness(mrt::Duration late);

  bool is_measured() const { return measured_; }
  /// The classes together: 0 is the best.
  uint32_t level() const { return rtt_ + loss_ + lateness_; }
  auto operator<=>(const Grade&) const = default;

 private:
  bool measured_ = false;  // its RTT is known
  uint32_t rtt_ = 0;
  uint32_t loss_ = 0;
  uint32_t lateness_ = 0;
};

struct Candidate {
  NodeId node;
  bool reachable = true;  // others can open a connection to it
  Grade grade;
  uint64_t joined = 0;  // how many had joined before it: the oldest member has the lowest
  bool open = false;    // whoever knows its address can call it: it is behind no NAT
};

/// Ranks 1, 2, ...: the first is the first successor. By reachability (who was not measured yet
/// comes last), then whether anybody can call it, then grade, then who has been here longest (most
/// likely to stay: Stutzbach and Rejaie, "Understanding churn in peer-to-peer networks", 2006),
/// then id.
std::vector<NodeId> succession(std::span<const Candidate> candidates);

}  // namespace node
