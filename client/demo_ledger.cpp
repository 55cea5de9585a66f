// SPDX-License-Identifier: MIT
#include "client/demo_ledger.h"

#include <algorithm>
#include <cmath>
#include <set>

namespace client {

void DemoLedger::said(const std::string& text, uint64_t at) {
  said_.try_emplace(text, Said{said_.size(), at});
}

DemoTally DemoLedger::tally(const std::vector<std::vector<DemoDelivery>>& complete,
                            const std::vector<DemoDelivery>& cut_short) const {
  DemoTally tally;
  tally.sent = said_.size();
  tally.nodes = complete.size();
  const auto same_text = [](const DemoDelivery& a, const DemoDelivery& b) {
    return a.text == b.text;
  };
  for (const auto& node : complete) {
    std::set<std::string> seen;
    for (const auto& delivery : node) {
      if (!seen.insert(delivery.text).second) ++tally.doubled;
    }
    tally.delivered += seen.size();
    tally.lost += static_cast<size_t>(std::count_if(
        said_.begin(), said_.end(), [&](const auto& said) { return !seen.contains(said.first); }));
    const auto& first = complete.front();
    tally.same_order &= std::equal(node.begin(), node.end(), first.begin(), first.end(), same_text);
  }
  if (!complete.empty()) {
    const auto& first = complete.front();
    tally.same_order &= cut_short.size() <= first.size() &&
                        std::equal(cut_short.begin(), cut_short.end(), first.begin(), same_text);
  }
  return tally;
}

std::vector<double> DemoLedger::latencies(
    size_t first, size_t last, const std::vector<std::vector<DemoDelivery>>& nodes) const {
  std::vector<double> ms;
  for (const auto& node : nodes) {
    for (const auto& delivery : node) {
      const auto said = said_.find(delivery.text);
      if (said == said_.end() || said->second.number < first || said->second.number >= last) {
        continue;
      }
      ms.push_back(static_cast<double>(delivery.at - said->second.at) / 1e6);
    }
  }
  std::sort(ms.begin(), ms.end());
  return ms;
}

double percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(p * static_cast<double>(sorted.size()));
  const size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

}  // namespace client
