// SPDX-License-Identifier: MIT
#include "client/qr.h"

#include <doctest/doctest.h>

#include <vector>

using client::qr_code;

/// Light modules by row, read from the half blocks.
static std::vector<std::string> modules(const std::string& drawn) {
  std::vector<std::string> rows(1), out;
  for (size_t i = 0; i < drawn.size();) {
    if (drawn[i] == '\n') {
      rows.emplace_back();
      ++i;
    } else if (drawn[i] == ' ') {
      rows.back() += ' ';
      ++i;
    } else {
      const std::string block = drawn.substr(i, 3);  // UTF-8 of U+2580 to U+2588
      rows.back() += block == "█" ? '#' : block == "▀" ? '^' : block == "▄" ? 'v' : '?';
      i += 3;
    }
  }
  for (const std::string& row : rows) {
    std::string above, below;
    for (const char c : row) {
      above += c == '#' || c == '^' ? ' ' : 'X';
      below += c == '#' || c == 'v' ? ' ' : 'X';
      CHECK(c != '?');
    }
    out.push_back(above);
    out.push_back(below);
  }
  return out;
}

TEST_CASE("a code is a square with its three finders, in light of four modules") {
  for (const size_t size : {1, 60, 100, 400}) {
    const client::QrCode code = qr_code(std::string(size, 'x'), false);
    const auto rows = modules(code.lines);
    const size_t width = rows[0].size();
    CHECK(code.columns == width);
    CAPTURE(size);
    CHECK(width % 4 == 1);            // 17 + 4 x version, and twice four
    CHECK(rows.size() == width + 1);  // half a line is empty
    REQUIRE(rows.size() >= 29);
    for (size_t i = 0; i < 4; ++i) {
      CHECK(rows[i] == std::string(width, ' '));
      CHECK(rows[width - 1 - i] == std::string(width, ' '));
    }
    const std::vector<std::string> finder = {"XXXXXXX", "X     X", "X XXX X", "X XXX X",
                                             "X XXX X", "X     X", "XXXXXXX"};
    for (size_t i = 0; i < finder.size(); ++i) {
      CHECK(rows[4 + i].substr(4, 7) == finder[i]);
      CHECK(rows[4 + i].substr(width - 11, 7) == finder[i]);
      CHECK(rows[width - 11 + i].substr(4, 7) == finder[i]);
      CHECK(rows[width - 11 + i].substr(width - 11, 7) != finder[i]);
    }
  }
}

TEST_CASE("a painted code is the same in fixed colours") {
  const std::string plain = qr_code("thuban:x", false).lines;
  std::string painted = qr_code("thuban:x", true).lines;
  for (const std::string code : {"\033[97;40m", "\033[0m"}) {
    for (size_t at; (at = painted.find(code)) != std::string::npos;) painted.erase(at, code.size());
  }
  CHECK(painted == plain);
}
