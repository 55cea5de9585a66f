// SPDX-License-Identifier: MIT
#include "node/election.h"

#include <algorithm>
#include <tuple>

namespace node {

uint32_t rtt_class(mrt::Duration rtt) {
  uint32_t level = 0;
  for (auto edge = std::chrono::milliseconds(16); rtt > edge && level < 8; edge *= 4) ++level;
  return level;
}

uint32_t loss_class(double loss) { return loss < 0.02 ? 0 : loss < 0.1 ? 1 : 2; }

std::vector<NodeId> succession(std::span<const Candidate> candidates) {
  const auto key = [](const Candidate& c) {
    return std::make_tuple(!c.reachable, rtt_class(c.rtt) + loss_class(c.loss), c.joined, c.node);
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
