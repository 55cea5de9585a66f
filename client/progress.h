// SPDX-License-Identifier: MIT
//
// Bars for what is being downloaded: percent, rate, time left. Pure: sizes in, lines out; it
// knows no terminal and no clock.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "node/events.h"

namespace client {

class Progress {
 public:
  // More bars than this would push what people say out of a small window.
  static constexpr size_t bars_max = 5;

  void on_progress(const node::DownloadProgress& progress);
  /// It is complete, or was given up.
  void on_end(const node::FileHash& hash);
  void clear() { downloads_.clear(); }
  bool empty() const { return downloads_.empty(); }

  /// One line for each download in the order in which they began, each at most `width`
  /// columns; beyond bars_max one line says how many more there are.
  std::vector<std::string> lines(size_t width) const;

 private:
  std::vector<node::DownloadProgress> downloads_;
};

/// 0 to 100; 100 only when all is there.
unsigned percent(uint64_t bytes, uint64_t size);
/// "1:05 min left"; empty while the rate is not known.
std::string time_left(uint64_t bytes, uint64_t size, uint64_t rate);

}  // namespace client
