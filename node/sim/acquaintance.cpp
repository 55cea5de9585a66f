// SPDX-License-Identifier: MIT
#include "node/sim/acquaintance.h"

#include <algorithm>

namespace node::sim {

void Acquaintance::on_start(size_t seat) {
  if (seat >= lives_.size()) {
    lives_.resize(seat + 1);
    seen_.resize(seat + 1);
  }
  ++lives_[seat];
  seen_[seat].clear();
}

void Acquaintance::on_seen(size_t seat, size_t peer) {
  std::vector<uint32_t>& seen = seen_.at(seat);
  if (peer >= seen.size()) seen.resize(lives_.size());
  seen.at(peer) = lives_.at(peer);
}

bool Acquaintance::has_seen(size_t seat, size_t peer) const {
  const std::vector<uint32_t>& seen = seen_.at(seat);
  return peer < seen.size() && seen[peer] == lives_.at(peer);
}

bool Acquaintance::are_strangers(const std::vector<size_t>& some,
                                 const std::vector<size_t>& others) const {
  return std::ranges::none_of(some, [&](size_t a) {
    return std::ranges::any_of(others, [&](size_t b) { return has_seen(a, b) || has_seen(b, a); });
  });
}

}  // namespace node::sim
