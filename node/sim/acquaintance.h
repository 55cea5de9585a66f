// SPDX-License-Identifier: MIT
//
// Which lives of which seats ever had each other in a roster. Nodes that did have to find each
// other again by themselves; of those that did not none can know where the other is, and a script
// may bring them together. It knows no nodes and no time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace node::sim {

class Acquaintance {
 public:
  /// A new life: it has seen nobody, and nobody has seen it.
  void on_start(size_t seat);
  void on_seen(size_t seat, size_t peer);
  /// Nobody of the one group and nobody of the other, as they live now.
  bool are_strangers(const std::vector<size_t>& some, const std::vector<size_t>& others) const;

 private:
  bool has_seen(size_t seat, size_t peer) const;

  std::vector<uint32_t> lives_;              // how many each seat had
  std::vector<std::vector<uint32_t>> seen_;  // which life of each peer the present one saw last
};

}  // namespace node::sim
