// SPDX-License-Identifier: MIT
#include "client/progress.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/text.h"

namespace client {

unsigned percent(uint64_t bytes, uint64_t size) {
  if (bytes >= size) return 100;
  // In floating point, since bytes * 100 may not fit; cut, so that 99.9 is not 100.
  return static_cast<unsigned>(static_cast<double>(bytes) * 100 / static_cast<double>(size));
}

std::string time_left(uint64_t bytes, uint64_t size, uint64_t rate) {
  if (rate == 0 || bytes >= size) return {};
  const uint64_t seconds = (size - bytes - 1) / rate + 1;
  // Beyond four days nobody waits, and a rate that low is about to change.
  if (seconds > 99 * 3600) return {};
  return duration_text(std::chrono::seconds(seconds)) + " left";
}

static std::string bar(unsigned percent, size_t width) {
  const size_t full = width * percent / 100;
  return '[' + std::string(full, '=') + std::string(width - full, ' ') + ']';
}

static std::string line_of(const node::DownloadProgress& download, size_t width) {
  static constexpr size_t name_columns = 24;
  static constexpr size_t bar_columns = 20;
  const unsigned done = percent(download.bytes, download.size);
  const std::string rest =
      fmt::format("{:>3}%  {}  {}/s  {}", done, size_text(download.size), size_text(download.rate),
                  time_left(download.bytes, download.size, download.rate));
  const std::string name = pad_right(clean(download.name, name_columns), name_columns);
  const std::string forms[] = {fmt::format("{} {} {}", name, bar(done, bar_columns), rest),
                               fmt::format("{} {}", name, rest),
                               fmt::format("{:>3}%  {}", done, name)};
  for (const std::string& form : forms) {
    if (columns(form) <= width) return form;
  }
  return clean(forms[2], width);
}

void Progress::on_progress(const node::DownloadProgress& progress) {
  const auto same = [&](const auto& download) { return download.hash == progress.hash; };
  const auto found = std::find_if(downloads_.begin(), downloads_.end(), same);
  if (found == downloads_.end()) {
    downloads_.push_back(progress);
  } else {
    *found = progress;
  }
}

void Progress::on_end(const node::FileHash& hash) {
  std::erase_if(downloads_, [&](const auto& download) { return download.hash == hash; });
}

std::vector<std::string> Progress::lines(size_t width) const {
  std::vector<std::string> out;
  for (size_t i = 0; i < downloads_.size() && i < bars_max; ++i) {
    out.push_back(line_of(downloads_[i], width));
  }
  if (downloads_.size() > bars_max) {
    out.push_back(fmt::format("and {} more", downloads_.size() - bars_max));
  }
  return out;
}

}  // namespace client
