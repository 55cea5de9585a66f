// SPDX-License-Identifier: MIT
#include "client/demo_screen.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "client/demo_star.h"

namespace client {

namespace {

constexpr size_t headline_columns = 72;
constexpr size_t bar_columns = 30;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::string repeated(const std::string& piece, size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += piece;
  return text;
}

}  // namespace

void DemoScreen::say(const std::string& line) {
  if (!options_.json) print(line.empty() ? "\n" : "  " + line + "\n");
}

void DemoScreen::scene(int number, const std::string& title) {
  event("scene", {{"number", number}, {"title", title}});
  if (options_.json) return;
  const std::string rule = options_.unicode ? "─" : "-";
  const std::string text = fmt::format(" {}  {} ", number, title);
  const size_t rest = headline_columns - std::min(headline_columns, text.size() + 2);
  print("\n" + faint(repeated(rule, 2)) + bold(text) + faint(repeated(rule, rest)) + "\n\n");
}

void DemoScreen::star(const std::string& centre, const std::vector<std::string>& around,
                      const std::string& gone) {
  nlohmann::json members = nlohmann::json::array();
  std::vector<StarPoint> points;
  for (const auto& nick : around) {
    points.push_back({nick, colour(nick), nick == gone});
    if (nick != gone) members.push_back(nick);
  }
  event("star", {{"supernode", centre}, {"members", members}});
  if (options_.json) return;
  print("\n");
  for (const auto& line :
       draw_star({centre, colour(centre)}, points, {options_.unicode, options_.colour})) {
    print("  " + line + "\n");
  }
  print("\n");
}

void DemoScreen::progress(const std::string& nick, uint64_t bytes, uint64_t size, uint64_t rate) {
  if (options_.json || !options_.animated || size == 0) return;
  const double share = static_cast<double>(bytes) / static_cast<double>(size);
  const auto full = static_cast<size_t>(share * static_cast<double>(bar_columns));
  print(fmt::format("\r  {}  {}{} {:3.0f} %  {:6.1f} MB/s ", name(nick),
                    repeated(options_.unicode ? "█" : "#", full),
                    faint(repeated(options_.unicode ? "░" : ".", bar_columns - full)), share * 100,
                    static_cast<double>(rate) / 1e6));
}

void DemoScreen::clear_progress() {
  if (!options_.json && options_.animated) print("\r\x1b[K");
}

std::string DemoScreen::name(const std::string& nick) const {
  size_t longest = 0;
  for (const auto& other : nicks_) longest = std::max(longest, other.size());
  const std::string padding(longest - std::min(longest, nick.size()), ' ');
  const int code = colour(nick);
  return (code == 0 ? nick : styled(nick, "1;" + std::to_string(code))) + padding;
}

void DemoScreen::event(const std::string& name, nlohmann::json fields) {
  if (!options_.json) return;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  fields["event"] = name;
  fields["ts"] = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  print(fields.dump() + "\n");
}

std::string DemoScreen::styled(const std::string& text, const std::string& codes) const {
  return options_.colour ? "\x1b[" + codes + "m" + text + "\x1b[0m" : text;
}

int DemoScreen::colour(const std::string& nick) const {
  // Red is left for what went wrong.
  constexpr int colours[] = {33, 36, 32, 35, 34};
  const auto found = std::find(nicks_.begin(), nicks_.end(), nick);
  if (found == nicks_.end()) return 0;
  return colours[static_cast<size_t>(found - nicks_.begin()) % std::size(colours)];
}

}  // namespace client
