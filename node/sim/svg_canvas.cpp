// SPDX-License-Identifier: MIT
#include "node/sim/svg_canvas.h"

#include <array>
#include <charconv>

namespace node::sim {

namespace {

std::string number(double value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value,
                                 std::chars_format::fixed, 1);
  std::string text(digits.data(), end.ptr);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

std::string attribute(std::string_view name, double value) {
  return ' ' + std::string(name) + "=\"" + number(value) + '"';
}

std::string attribute(std::string_view name, std::string_view value) {
  return ' ' + std::string(name) + "=\"" + std::string(value) + '"';
}

std::string escaped(std::string_view words) {
  std::string out;
  for (const char c : words) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      default:
        // XML 1.0 knows no other control characters.
        out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

void SvgCanvas::text(double x, double y, std::string_view words, const TextStyle& style) {
  body_ += "<text" + attribute("x", x) + attribute("y", y) + attribute("font-size", style.size) +
           attribute("fill", style.colour);
  if (style.anchor != "start") body_ += attribute("text-anchor", style.anchor);
  if (style.bold) body_ += attribute("font-weight", "bold");
  if (!style.halo.empty()) {
    body_ += attribute("stroke", style.halo) + " stroke-width=\"3\" paint-order=\"stroke\"";
  }
  if (style.monospaced) body_ += attribute("font-family", "monospace");
  body_ += '>' + escaped(words) + "</text>\n";
}

void SvgCanvas::box(const Box& box, std::string_view fill, std::string_view more,
                    std::string_view hint) {
  body_ += "<rect" + attribute("x", box.x) + attribute("y", box.y) + attribute("width", box.width) +
           attribute("height", box.height) + attribute("fill", fill) + std::string(more);
  body_ += hint.empty() ? "/>\n" : "><title>" + escaped(hint) + "</title></rect>\n";
}

void SvgCanvas::line(double x1, double y1, double x2, double y2, std::string_view colour,
                     double width, std::string_view dashes) {
  body_ += "<line" + attribute("x1", x1) + attribute("y1", y1) + attribute("x2", x2) +
           attribute("y2", y2) + attribute("stroke", colour) + attribute("stroke-width", width);
  if (!dashes.empty()) body_ += attribute("stroke-dasharray", dashes);
  body_ += "/>\n";
}

void SvgCanvas::circle(double x, double y, double radius, std::string_view fill,
                       std::string_view more) {
  body_ += "<circle" + attribute("cx", x) + attribute("cy", y) + attribute("r", radius) +
           attribute("fill", fill) + std::string(more) + "/>\n";
}

void SvgCanvas::strokes(const std::vector<double>& xs, double y, double height,
                        std::string_view colour) {
  if (xs.empty()) return;
  body_ += "<path" + attribute("stroke", colour) + " fill=\"none\" d=\"";
  for (const double x : xs) body_ += 'M' + number(x) + ' ' + number(y) + 'v' + number(height);
  body_ += "\"/>\n";
}

std::string SvgCanvas::svg(double width, double height, std::string_view title,
                           std::string_view definitions) const {
  return "<svg xmlns=\"http://www.w3.org/2000/svg\"" + attribute("width", width) +
         attribute("height", height) + " viewBox=\"0 0 " + number(width) + ' ' + number(height) +
         "\" font-family=\"Helvetica, Arial, sans-serif\"><title>" + escaped(title) + "</title>\n" +
         std::string(definitions) + "<rect" + attribute("width", width) +
         attribute("height", height) + " fill=\"#ffffff\"/>\n" + body_ + "</svg>\n";
}

}  // namespace node::sim
