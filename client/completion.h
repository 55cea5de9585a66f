// SPDX-License-Identifier: MIT
//
// What Tab could mean at the prompt: command words, nicks, files on offer, paths. Pure but for
// the listing of folders, which is given to it.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace client {

struct CompletionSource {
  std::vector<std::string> nicks;
  std::vector<std::string> files;
  /// Paths that begin with what was typed; folders end in '/'.
  std::function<std::vector<std::string>(const std::string& path)> paths;
};

/// Whole lines that begin with `line`.
std::vector<std::string> complete_line(std::string_view line, const CompletionSource& source);
/// For CompletionSource::paths: of the file system.
std::vector<std::string> paths_beginning_with(const std::string& path);

}  // namespace client
