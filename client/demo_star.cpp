// SPDX-License-Identifier: MIT
#include "client/demo_star.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <numbers>

namespace client {

namespace {

constexpr int columns = 60;
constexpr int rows = 11;
constexpr int centre_column = columns / 2;
constexpr int centre_row = rows / 2;
// A cell of a terminal is about twice as high as it is wide.
constexpr double radius_columns = 15;
constexpr double radius_rows = 5;
// Columns from dot to dot of a flat ray; a steep one has a dot in each row.
constexpr int dot_columns = 3;

struct Cell {
  std::string glyph = " ";
  int colour = 0;
  bool bold = false;
};

struct Point {
  int column;
  int row;
};

class Canvas {
 public:
  explicit Canvas(const StarStyle& style)
      : style_(style), cells_(static_cast<size_t>(columns * rows)) {}

  void put(Point at, const std::string& glyph, int colour, bool bold = false) {
    if (at.column < 0 || at.column >= columns || at.row < 0 || at.row >= rows) return;
    cells_[static_cast<size_t>(at.row * columns + at.column)] = {glyph, colour, bold};
  }

  void write(Point at, const std::string& text, int colour, bool bold) {
    for (const char letter : text) {
      put(at, std::string(1, letter), colour, bold);
      ++at.column;
    }
  }

  std::vector<std::string> lines() const {
    std::vector<std::string> lines;
    for (int row = 0; row < rows; ++row) {
      const auto begin = cells_.begin() + row * columns;
      const auto last = std::find_if(std::make_reverse_iterator(begin + columns),
                                     std::make_reverse_iterator(begin),
                                     [](const Cell& cell) { return cell.glyph != " "; });
      std::string line;
      std::string style;
      for (auto cell = begin; cell != last.base(); ++cell) {
        if (cell->glyph != " " && style_of(*cell) != style) {
          if (!style.empty()) line += "\x1b[0m";
          style = style_of(*cell);
          line += style;
        }
        line += cell->glyph;
      }
      if (!style.empty()) line += "\x1b[0m";
      lines.push_back(line);
    }
    return lines;
  }

 private:
  // The escape sequence before such a cell; runs of one style share it.
  std::string style_of(const Cell& cell) const {
    if (!style_.colour || (cell.colour == 0 && !cell.bold)) return "";
    std::string codes = cell.bold ? "1" : "";
    if (cell.colour != 0) codes += (codes.empty() ? "" : ";") + std::to_string(cell.colour);
    return "\x1b[" + codes + "m";
  }

  StarStyle style_;
  std::vector<Cell> cells_;
};

Point place_of(size_t index, size_t count) {
  // Clockwise from the upper left; with four that is the corners.
  const double turn =
      2 * std::numbers::pi * static_cast<double>(index) / static_cast<double>(count);
  const double angle = turn - 0.75 * std::numbers::pi;
  // Corners lie at 0.7 of the radius each way; stretched so that they reach the edge.
  const auto stretch = [](double unit, double radius) {
    return static_cast<int>(
        std::lround(std::clamp(unit * std::numbers::sqrt2, -1.0, 1.0) * radius));
  };
  return {centre_column + stretch(std::cos(angle), radius_columns),
          centre_row + stretch(std::sin(angle), radius_rows)};
}

// The name stands on the outer side of its point, so that no ray crosses it.
void write_name(Canvas& canvas, Point at, const StarPoint& point) {
  const int size = static_cast<int>(point.name.size());
  const int start = at.column < centre_column ? at.column - 1 - size : at.column + 2;
  canvas.write({start, at.row}, point.name, point.gone ? 0 : point.colour, !point.gone);
}

void draw_ray(Canvas& canvas, Point to, int colour, const std::string& dot) {
  const int steps =
      std::max(std::abs(to.row - centre_row), std::abs(to.column - centre_column) / dot_columns);
  for (int i = 1; i < steps; ++i) {
    const double share = static_cast<double>(i) / steps;
    const auto between = [share](int from, int end) {
      return from + static_cast<int>(std::lround(share * (end - from)));
    };
    const Point at{between(centre_column, to.column), between(centre_row, to.row)};
    if (at.row != centre_row || to.row == centre_row) canvas.put(at, dot, colour);
  }
}

}  // namespace

std::vector<std::string> draw_star(const StarPoint& centre, const std::vector<StarPoint>& around,
                                   const StarStyle& style) {
  const std::string dot = style.unicode ? "·" : ".";
  const std::string member = style.unicode ? "●" : "o";
  const std::string star = style.unicode ? "★" : "*";
  const std::string cross = style.unicode ? "✗" : "x";
  Canvas canvas(style);
  for (size_t i = 0; i < around.size(); ++i) {
    const Point at = place_of(i, around.size());
    if (!around[i].gone) draw_ray(canvas, at, around[i].colour, dot);
    canvas.put(at, around[i].gone ? cross : member, around[i].gone ? 0 : around[i].colour, true);
    write_name(canvas, at, around[i]);
  }
  const int size = static_cast<int>(centre.name.size());
  canvas.put({centre_column - 1 - size / 2, centre_row}, star, centre.colour, true);
  canvas.write({centre_column + 1 - size / 2, centre_row}, centre.name, centre.colour, true);
  return canvas.lines();
}

}  // namespace client
