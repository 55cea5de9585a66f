// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "client/demo_star.h"

using client::draw_star;
using client::StarPoint;

namespace {

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += line + "\n";
  return text;
}

}  // namespace

TEST_CASE("the supernode stands in the middle and the others at the corners") {
  const auto lines = draw_star({"anna", 0}, {{"ben"}, {"carla"}, {"dan"}, {"eva"}}, {});
  CHECK(joined(lines) ==
        "           ben o                             o carla\n"
        "                  .                       .\n"
        "                     .                 .\n"
        "                        .           .\n"
        "                           .     .\n"
        "                           * anna\n"
        "                           .     .\n"
        "                        .           .\n"
        "                     .                 .\n"
        "                  .                       .\n"
        "           eva o                             o dan\n");
}

TEST_CASE("whoever is gone is crossed out and has no ray") {
  const auto lines = draw_star({"ben", 0}, {{"anna", 0, true}, {"carla"}, {"dan"}, {"eva"}}, {});
  CHECK(lines.front() == "          anna x                             o carla");
  CHECK(lines[1].find('.') > 30);  // only carla's ray is in the upper half
}

TEST_CASE("without colour and Unicode a star is plain ASCII without control characters") {
  for (const auto& line : draw_star({"anna", 33}, {{"ben", 36}, {"carla", 32}}, {})) {
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  }
}

TEST_CASE("each colour that is begun is ended in its line") {
  const auto count = [](const std::string& line, const std::string& piece) {
    size_t found = 0;
    for (size_t at = line.find(piece); at != std::string::npos; at = line.find(piece, at + 1)) {
      ++found;
    }
    return found;
  };
  for (const auto& line : draw_star({"anna", 33}, {{"ben", 36}, {"carla", 32}}, {true, true})) {
    const size_t sequences = count(line, "\x1b[");
    CHECK(count(line, "\x1b[0m") * 2 == sequences);
    CHECK((line.empty() || sequences == 0 || line.ends_with("\x1b[0m")));
  }
}

TEST_CASE("from one to twelve members each has a place and a name, within 60 columns") {
  for (size_t count = 1; count <= 12; ++count) {
    std::vector<StarPoint> around;
    for (size_t i = 0; i < count; ++i) around.push_back({"n" + std::to_string(i + 10)});
    const auto lines = draw_star({"hub"}, around, {});
    const std::string text = joined(lines);
    CAPTURE(text);
    for (const auto& point : around) CHECK(text.find(point.name) != std::string::npos);
    CHECK(std::count(text.begin(), text.end(), 'o') == static_cast<std::ptrdiff_t>(count));
    for (const auto& line : lines) CHECK(line.size() <= 60);
  }
}
