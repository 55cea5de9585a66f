// SPDX-License-Identifier: MIT
#include "client/completion.h"

#include <algorithm>
#include <filesystem>

#include "client/command.h"
#include "client/text.h"

namespace client {

namespace {

// More than that nobody reads; a folder of a million files is not gone through to its end.
constexpr size_t candidates_max = 100;

using Words = std::vector<std::string>;

Words split(std::string_view words) {
  Words out;
  while (!(words = trim(words)).empty()) {
    const size_t end = std::min(words.find(' '), words.size());
    out.emplace_back(words.substr(0, end));
    words.remove_prefix(end);
  }
  return out;
}

Words command_words(const std::string& start) {
  Words out;
  for (const CommandRow& row : command_rows()) {
    for (const std::string& word : split(row.words)) {
      if (word.starts_with(start)) out.push_back(word + (row.arguments.empty() ? "" : " "));
    }
  }
  return out;
}

/// What the argument of a command is: 'n' a nick, 'o' a file on offer, 'p' a path.
char argument_kind(const std::string& word) {
  const auto is_one_of = [&](std::initializer_list<std::string_view> words) {
    return std::find(words.begin(), words.end(), word) != words.end();
  };
  if (is_one_of({"m", "tell", "h", "handover", "ban"})) return 'n';
  if (is_one_of({"r", "get", "req", "cancel"})) return 'o';
  if (is_one_of({"b", "share", "add", "broadcast"})) return 'p';
  return 0;
}

}  // namespace

Words complete_line(std::string_view line, const CompletionSource& source) {
  const size_t gap = line.find(' ');
  if (gap == std::string_view::npos) return command_words(to_lower(line));
  const std::string command(line.substr(0, gap + 1));
  const std::string start(trim(line.substr(gap)));
  const char kind = argument_kind(to_lower(trim(command)));
  Words choices;
  if (kind == 'n') choices = source.nicks;
  if (kind == 'o') choices = source.files;
  if (kind == 'p') choices = source.paths(start);
  Words out;
  for (const std::string& choice : choices) {
    if (choice.starts_with(start) && out.size() < candidates_max) out.push_back(command + choice);
  }
  return out;
}

Words paths_beginning_with(const std::string& path) {
  namespace fs = std::filesystem;
  const size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  const std::string start = path.substr(folder.size());
  Words out;
  std::error_code error;
  for (fs::directory_iterator entry(folder.empty() ? "." : folder, error), end;
       !error && entry != end && out.size() < candidates_max; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const bool hidden = name.starts_with('.') && !start.starts_with('.');
    if (hidden || !name.starts_with(start)) continue;
    std::error_code unknown;
    out.push_back(folder + name + (entry->is_directory(unknown) ? "/" : ""));
  }
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace client
