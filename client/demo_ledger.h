// SPDX-License-Identifier: MIT
//
// Counts the demo's chat: what was said and when, what each node delivered, and so what was
// lost, doubled or out of order, and how long it took. Pure; it knows no processes.
//
// 1. Each text is said once, so a text names a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace client {

/// One message as one node saw it.
struct DemoDelivery {
  std::string text;
  uint64_t at;  // ns
};

struct DemoTally {
  size_t sent = 0;
  size_t nodes = 0;      // that should have all of it
  size_t delivered = 0;  // distinct messages, summed over those nodes
  size_t lost = 0;
  size_t doubled = 0;
  bool same_order = true;
  bool clean() const { return lost == 0 && doubled == 0 && same_order; }
};

class DemoLedger {
 public:
  void said(const std::string& text, uint64_t at);
  size_t sent() const { return said_.size(); }

  /// `complete`: the deliveries of each node that lived through it all. `cut_short`: of the
  /// one that did not, which may end early but not differ.
  DemoTally tally(const std::vector<std::vector<DemoDelivery>>& complete,
                  const std::vector<DemoDelivery>& cut_short) const;
  /// Sorted milliseconds from saying to each delivery, of the messages number `first` up to
  /// `last` (exclusive).
  std::vector<double> latencies(size_t first, size_t last,
                                const std::vector<std::vector<DemoDelivery>>& nodes) const;

 private:
  struct Said {
    size_t number;
    uint64_t at;
  };
  std::map<std::string, Said> said_;
};

/// The smallest value that at least the share `p` (0 to 1) of them does not exceed; 0 of none.
double percentile(const std::vector<double>& sorted, double p);

}  // namespace client
