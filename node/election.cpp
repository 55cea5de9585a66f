// SPDX-License-Identifier: MIT
#include "node/election.h"

#include <algorithm>
#include <array>
#include <tuple>

namespace node {

namespace {

// Where each class ends.
constexpr std::array rtt_edges = {0.016, 0.064, 0.256, 1.024, 4.096};  // seconds
constexpr std::array loss_edges = {0.02, 0.1};
constexpr std::array lateness_edges = {0.02, 0.1};  // seconds

uint32_t class_of(double value, std::span<const double> edges, uint32_t before) {
  constexpr double beyond = 1.25;
  uint32_t level = before;
  while (level < edges.size() && value > edges[level] * beyond) ++level;
  while (level > 0 && value < edges[level - 1] / beyond) --level;
  return level;
}

}  // namespace

void Grade::measure_rtt(mrt::Duration rtt) {
  rtt_ = class_of(mrt::to_seconds(rtt), rtt_edges, rtt_);
  measured_ = true;
}

void Grade::measure_loss(double loss) { loss_ = class_of(loss, loss_edges, loss_); }

void Grade::measure_lateness(mrt::Duration late) {
  lateness_ = class_of(mrt::to_seconds(late), lateness_edges, lateness_);
}

std::vector<NodeId> succession(std::span<const Candidate> candidates) {
  const auto key = [](const Candidate& c) {
    return std::make_tuple(!c.reachable, !c.grade.is_measured(), !c.open, c.grade.level(), c.joined,
                           c.node);
  };
  std::vector<const Candidate*> order;
  order.reserve(candidates.size());
  for (const Candidate& c : candidates) order.push_back(&c);
  std::sort(order.begin(), order.end(),
            [&](const Candidate* a, const Candidate* b) { return key(*a) < key(*b); });
  std::vector<NodeId> out;
  out.reserve(order.size());
  for (const Candidate* c : order) out.push_back(c->node);
  return out;
}

}  // namespace node
