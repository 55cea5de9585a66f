// SPDX-License-Identifier: MIT
//
// Shapes as SVG text, written by hand, so that it needs nothing and differs only where a picture
// differs. Pure; it knows no timelines. Numbers have one decimal; text is escaped.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace node::sim {

struct Box {
  double x;
  double y;
  double width;
  double height;
};

struct TextStyle {
  double size = 11;
  std::string_view anchor = "start";
  std::string_view colour = "#222222";
  bool bold = false;
  bool monospaced = false;
  std::string_view halo{};  // a colour behind the letters, so that they stand on any pattern
};

class SvgCanvas {
 public:
  void text(double x, double y, std::string_view words, const TextStyle& style = {});
  /// `more`: further attributes; `hint` is shown when somebody points at it.
  void box(const Box& box, std::string_view fill, std::string_view more = {},
           std::string_view hint = {});
  void line(double x1, double y1, double x2, double y2, std::string_view colour, double width = 1,
            std::string_view dashes = {});
  void circle(double x, double y, double radius, std::string_view fill, std::string_view more = {});
  /// Upright strokes of one length, as one shape.
  void strokes(const std::vector<double>& xs, double y, double height, std::string_view colour);

  /// The whole file. `definitions` (patterns) are taken as they are.
  std::string svg(double width, double height, std::string_view title,
                  std::string_view definitions = {}) const;

 private:
  std::string body_;
};

}  // namespace node::sim
