// SPDX-License-Identifier: MIT
#include "node/sim/timeline_picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "node/sim/svg_canvas.h"
#include "node/sim/time_axis.h"

namespace node::sim {

using mrt::Instant;

namespace {

// Okabe and Ito's colours, distinct to all eyes; light and dark take turns, so that neighbours
// differ in print. Vermilion is kept for what went wrong.
struct Colour {
  std::string_view fill;
  std::string_view ink;  // of words upon it
};
constexpr std::array<Colour, 6> palette = {{{"#56B4E9", "#222222"},
                                            {"#0072B2", "#ffffff"},
                                            {"#F0E442", "#222222"},
                                            {"#007A5A", "#ffffff"},
                                            {"#E69F00", "#222222"},
                                            {"#994F7C", "#ffffff"}}};
constexpr std::string_view ink = "#222222", faint = "#767676", grid = "#E4E4E4", alarm = "#C43C00";
constexpr std::string_view definitions =
    "<defs><pattern id=\"frozen\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" "
    "patternTransform=\"rotate(45)\"><rect width=\"6\" height=\"6\" fill=\"#ffffff\" "
    "fill-opacity=\"0.55\"/><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\" stroke=\"#222222\" "
    "stroke-width=\"2\"/></pattern></defs>\n";

constexpr double left = 62;  // room for the nicks
constexpr double right = 26;
constexpr double row_height_most = 30;  // marks, a bar and its words
constexpr double rows_height = 900;     // of all, where there are so many that it is less for each
constexpr double row_height_least = 5;
constexpr double marks_from = 20;  // a row that is lower has no room for what was said and heard
constexpr double cells_most = 40'000;
constexpr double letter_width = 5.6;  // of 11 points, about
constexpr size_t weather_lanes = 4;
constexpr size_t epochs_listed_max = 24;
constexpr size_t messages_shown_max = 2;

std::string seconds_text(mrt::Duration time) {
  const auto ms = mrt::to_ms(time);
  std::string text = std::to_string(ms / 1000);
  if (ms % 1000 != 0) {
    std::string rest = std::to_string(1000 + ms % 1000).substr(1);
    rest.erase(rest.find_last_not_of('0') + 1);
    text += '.' + rest;
  }
  return text;
}

std::string instant_text(Instant at) { return seconds_text(at.time_since_epoch()); }

/// All instants at which something happens that is worth room.
std::vector<Instant> busy_instants(const Timeline& timeline,
                                   const std::optional<Violation>& violation) {
  std::vector<Instant> busy;
  const auto add = [&](const std::vector<Timeline::Span>& spans) {
    for (const Timeline::Span& span : spans) {
      busy.push_back(span.from);
      if (span.to != mrt::never) busy.push_back(span.to);
    }
  };
  for (const Timeline::Row& row : timeline.rows()) {
    for (const auto* spans : {&row.lives, &row.frozen, &row.cut_off, &row.unheard, &row.unserved}) {
      add(*spans);
    }
    for (const auto& stay : row.stays) add({stay.span});
    busy.insert(busy.end(), row.said.begin(), row.said.end());
    busy.insert(busy.end(), row.heard.begin(), row.heard.end());
  }
  for (const auto& weather : timeline.weather()) busy.push_back(weather.at);
  if (violation) busy.push_back(violation->at);
  return busy;
}

class Picture {
 public:
  Picture(const Timeline& timeline, const PictureCaption& caption, Instant end,
          const std::optional<Violation>& violation)
      : timeline_(timeline),
        caption_(caption),
        end_(end),
        violation_(violation),
        axis_(busy_instants(timeline, violation), end),
        row_height_(std::clamp(rows_height / static_cast<double>(timeline.rows().size()),
                               row_height_least, row_height_most)),
        cell_(std::max(0.5,
                       axis_.width() * static_cast<double>(timeline.rows().size()) / cells_most)) {}

  std::string draw();

 private:
  double x(Instant at) const { return left + axis_.at(at); }
  /// Of a row's top.
  double y(size_t seat) const { return rows_top_ + row_height_ * static_cast<double>(seat); }
  double bottom() const { return y(timeline_.rows().size()); }
  bool is_roomy() const { return row_height_ >= marks_from; }

  void header();
  void weather();
  void scale();
  void row(size_t seat);
  void stays(size_t seat);
  void overlays(size_t seat);
  void labels(size_t seat);
  void violation();
  void message(size_t index, const std::string& letter);
  void legend();
  void epochs();
  /// Of each cell with an instant in it the first one's place.
  std::vector<double> cells(const std::vector<Instant>& instants) const;
  /// Left end and width; nothing where the cell was drawn already (`last` is moved on).
  std::optional<std::pair<double, double>> extent(const Timeline::Span& span, double& last) const;

  const Timeline& timeline_;
  const PictureCaption& caption_;
  Instant end_;
  const std::optional<Violation>& violation_;
  TimeAxis axis_;
  double row_height_;
  double cell_;
  double rows_top_ = 0;
  double below_ = 0;  // where the next thing goes
  double legend_end_ = 0;
  SvgCanvas canvas_;
};

std::string Picture::draw() {
  header();
  weather();
  scale();
  for (size_t seat = 0; seat < timeline_.rows().size(); ++seat) row(seat);
  below_ = bottom() + 18;
  if (violation_) violation();
  legend();
  epochs();
  return canvas_.svg(std::max(left + axis_.width() + right, legend_end_), below_ + 8,
                     caption_.title, definitions);
}

void Picture::header() {
  canvas_.text(16, 26, caption_.title, {.size = 15, .bold = true});
  canvas_.text(16, 44, "Links: " + caption_.links, {.colour = faint});
  canvas_.text(16, 60, caption_.repeat, {.size = 10.5, .colour = faint, .monospaced = true});
  below_ = 78;
  if (!violation_) {
    canvas_.text(16, below_, "All rules kept.", {.size = 12, .bold = true});
    below_ += 16;
    return;
  }
  // As many lines as it takes.
  std::string rest = "Rule broken at " + instant_text(violation_->at) + " s: " + violation_->what;
  const auto fits = static_cast<size_t>((axis_.width() + left - 16) / (letter_width * 12 / 11));
  while (!rest.empty()) {
    size_t size = rest.size();
    if (size > fits) {
      const size_t space = rest.rfind(' ', fits);
      size = space == std::string::npos || space == 0 ? fits : space;
    }
    canvas_.text(16, below_, rest.substr(0, size), {.size = 12, .colour = alarm, .bold = true});
    rest.erase(0, std::min(rest.size(), size + 1));
    below_ += 16;
  }
}

void Picture::weather() {
  // Each on the first lane that is free there; where all are taken its line alone shows.
  std::array<double, weather_lanes> taken{};
  size_t used = 0;
  struct Placed {
    double at;
    double y;
  };
  std::vector<Placed> placed;
  double last = -cell_;
  for (const auto& one : timeline_.weather()) {
    const double at = x(one.at);
    if (at - last < cell_ * 4) continue;
    last = at;
    const double width = letter_width * 0.91 * static_cast<double>(one.what.size()) + 14;
    const double start = std::min(at, std::max(left, left + axis_.width() + right - width));
    size_t lane = 0;
    while (lane < weather_lanes && taken[lane] > start) ++lane;
    if (lane < weather_lanes) {
      taken[lane] = std::max(start, at) + width;
      used = std::max(used, lane + 1);
      const double line = below_ + 12 * static_cast<double>(lane + 1);
      canvas_.text(start + 3, line, one.what, {.size = 10});
      placed.push_back({at, line - 8});
    } else {
      placed.push_back({at, below_ + 12 * static_cast<double>(weather_lanes)});
    }
  }
  below_ += 12 * static_cast<double>(used) + 20;
  rows_top_ = below_ + 6;
  for (const Placed& one : placed) {
    canvas_.line(one.at, one.y, one.at, bottom(), faint, 0.8, "1 3");
  }
}

void Picture::scale() {
  for (const Instant tick : axis_.ticks()) {
    canvas_.line(x(tick), rows_top_, x(tick), bottom(), grid);
    canvas_.text(x(tick), rows_top_ - 6, instant_text(tick) + " s",
                 {.size = 10, .anchor = "middle", .colour = faint});
  }
  for (const TimeAxis::Fold& fold : axis_.folds()) {
    const double from = x(fold.from), to = x(fold.to);
    canvas_.box({from, rows_top_, to - from, bottom() - rows_top_}, "#F2F2F2");
    canvas_.text((from + to) / 2, bottom() + 11,
                 "(" + seconds_text(fold.to - fold.from) + " s quiet)",
                 {.size = 9, .anchor = "middle", .colour = faint});
  }
}

std::vector<double> Picture::cells(const std::vector<Instant>& instants) const {
  std::vector<double> out;
  double last = -1;
  for (const Instant at : instants) {
    const double cell = std::floor(axis_.at(at) / cell_);
    if (cell > last) out.push_back(x(at));
    last = std::max(cell, last);
  }
  return out;
}

std::optional<std::pair<double, double>> Picture::extent(const Timeline::Span& span,
                                                         double& last) const {
  const double from = x(span.from), to = x(std::min(span.to, end_));
  const double cell = std::floor(to / cell_);
  if (cell <= last) return std::nullopt;
  last = cell;
  return std::pair(from, std::max(to - from, 0.6));
}

void Picture::row(size_t seat) {
  const Timeline::Row& row = timeline_.rows()[seat];
  const double top = y(seat), middle = top + row_height_ / 2;
  const auto each = static_cast<size_t>(std::ceil(11 / row_height_));
  const bool is_concerned = violation_ && std::ranges::any_of(violation_->lives, [&](Life life) {
                              return life.value < timeline_.seat_of_life().size() &&
                                     timeline_.seat_of_life()[life.value] == seat;
                            });
  if (seat % each == 0 || is_concerned) {
    canvas_.text(left - 10, middle + 4, row.nick,
                 {.anchor = "end", .colour = is_concerned ? alarm : ink, .bold = is_concerned});
  }
  double last = -1;
  for (const Timeline::Span& span : row.cut_off) {
    if (const auto at = extent(span, last)) {
      canvas_.box({at->first, top, at->second, row_height_}, "#FFFFFF",
                  " stroke=\"#222222\" stroke-width=\"1.5\" stroke-dasharray=\"5 3\"");
    }
  }
  last = -1;
  for (const Timeline::Span& span : row.lives) {
    if (const auto at = extent(span, last)) {
      canvas_.line(at->first, middle, at->first + at->second, middle, faint, 1.5);
    }
  }
  stays(seat);
  overlays(seat);
}

void Picture::stays(size_t seat) {
  const double middle = y(seat) + row_height_ / 2;
  double last = -1;
  for (const Timeline::Stay& stay : timeline_.rows()[seat].stays) {
    const auto at = extent(stay.span, last);
    if (!at) continue;
    const Timeline::View& view = timeline_.views()[stay.view];
    const Colour& colour = palette[stay.view % palette.size()];
    const bool leads = stay.role != Role::member;
    const double height = row_height_ * (leads ? 0.6 : 0.34);
    const std::string hint =
        "epoch " + std::to_string(view.epoch) + ", " +
        (leads ? "its supernode" : "member of " + timeline_.rows()[view.supernode].nick) +
        ", from " + instant_text(stay.span.from) + " s";
    canvas_.box({at->first, middle - height / 2, at->second, height}, colour.fill,
                leads ? " stroke=\"#222222\" stroke-width=\"1.4\"" : "",
                is_roomy() ? hint : std::string());
  }
}

/// The long words where they fit, else the number, else none.
void Picture::labels(size_t seat) {
  const double middle = y(seat) + row_height_ / 2;
  double last = -1;
  for (const Timeline::Stay& stay : timeline_.rows()[seat].stays) {
    const auto at = extent(stay.span, last);
    if (!at) continue;
    const Timeline::View& view = timeline_.views()[stay.view];
    const Colour& colour = palette[stay.view % palette.size()];
    const bool leads = stay.role != Role::member;
    const std::string number = std::to_string(view.epoch);
    for (const std::string& words :
         {leads ? "epoch " + number : number + ": " + timeline_.rows()[view.supernode].nick,
          number}) {
      if (letter_width * static_cast<double>(words.size()) + 5 > at->second) continue;
      canvas_.text(
          at->first + 3, middle + 3.5, words,
          {.size = leads ? 11.0 : 9.5, .colour = colour.ink, .bold = leads, .halo = colour.fill});
      break;
    }
  }
}

void Picture::overlays(size_t seat) {
  const Timeline::Row& row = timeline_.rows()[seat];
  const double top = y(seat), middle = top + row_height_ / 2;
  double last = -1;
  for (const Timeline::Span& span : row.unserved) {
    if (const auto at = extent(span, last)) {
      canvas_.box({at->first, middle - 1, at->second, 2}, "#FFFFFF",
                  " stroke=\"#222222\" stroke-width=\"0.5\"");
    }
  }
  last = -1;
  for (const Timeline::Span& span : row.frozen) {
    if (const auto at = extent(span, last)) {
      canvas_.box({at->first, middle - row_height_ * 0.3, at->second, row_height_ * 0.6},
                  "url(#frozen)", "", is_roomy() ? "frozen" : "");
    }
  }
  last = -1;
  for (const Timeline::Span& span : row.unheard) {
    if (const auto at = extent(span, last)) {
      canvas_.line(at->first, top + row_height_ * 0.14, at->first + at->second,
                   top + row_height_ * 0.14, ink, 1.5, "2 3");
    }
  }
  for (const double at : cells(row.killed)) {
    const double arm = std::min(5.0, row_height_ / 2);
    canvas_.line(at - arm, middle - arm, at + arm, middle + arm, alarm, 2);
    canvas_.line(at - arm, middle + arm, at + arm, middle - arm, alarm, 2);
  }
  if (!is_roomy()) return;
  labels(seat);
  canvas_.strokes(cells(row.said), top + 1, 4.5, ink);
  canvas_.strokes(cells(row.heard), top + row_height_ - 5, 3.5, faint);
}

void Picture::violation() {
  const double at = x(violation_->at);
  canvas_.line(at, rows_top_ - 4, at, bottom() + 4, alarm, 2, "6 3");
  canvas_.text(std::min(at, left + axis_.width() - 36), bottom() + 24, "rule broken",
               {.anchor = "middle", .colour = alarm, .bold = true});
  below_ += 24;
  size_t shown = 0;
  std::set<size_t> drawn;
  for (const size_t index : violation_->messages) {
    if (index >= timeline_.messages().size() || !drawn.insert(index).second) continue;
    if (++shown > messages_shown_max) break;
    message(index, shown == 1 ? "A" : "B");
  }
}

/// Where the message was said, and where and when it was heard.
void Picture::message(size_t index, const std::string& letter) {
  const Timeline::Message& message = timeline_.messages()[index];
  const double from_x = x(message.at), from_y = y(message.sender) + row_height_ / 2;
  std::set<size_t> heard;
  for (const Timeline::Heard& one : message.heard) {
    const double to_x = x(one.at), to_y = y(one.seat) + row_height_ / 2;
    if (is_roomy()) canvas_.line(from_x, from_y, to_x, to_y, alarm, 0.7);
    canvas_.circle(to_x, to_y, std::min(4.0, row_height_ / 2), "#ffffff",
                   " stroke=\"#C43C00\" stroke-width=\"1.6\"");
    heard.insert(one.seat);
  }
  canvas_.circle(from_x, from_y, 7, alarm);
  canvas_.text(from_x, from_y + 4, letter, {.anchor = "middle", .colour = "#ffffff", .bold = true});
  std::string words = "Message " + letter + " was said by " +
                      timeline_.rows()[message.sender].nick + " at " + instant_text(message.at) +
                      " s, and heard by ";
  if (heard.empty()) words += "nobody";
  size_t named = 0;
  for (const size_t seat : heard) {
    if (++named > 30) {
      words += " and " + std::to_string(heard.size() - 30) + " more";
      break;
    }
    words += (named > 1 ? ", " : "") + timeline_.rows()[seat].nick;
  }
  canvas_.text(16, below_, words + ".", {.colour = alarm});
  below_ += 15;
}

void Picture::legend() {
  double at = 16;
  const double line = below_ + 12;
  const auto next = [&](std::string_view words, double room) {
    canvas_.text(at + room, line + 4, words, {.size = 10.5});
    at += room + letter_width * static_cast<double>(words.size()) + 20;
  };
  canvas_.line(at, line, at + 22, line, faint, 1.5);
  next("runs, in no star", 28);
  canvas_.box({at, line - 5, 22, 10}, palette[0].fill);
  next("member", 28);
  canvas_.box({at, line - 8, 22, 16}, palette[0].fill, " stroke=\"#222222\" stroke-width=\"1.4\"");
  next("supernode, or alone", 28);
  canvas_.box({at, line - 1, 22, 2}, "#FFFFFF", " stroke=\"#222222\" stroke-width=\"0.5\"");
  next("misses its supernode", 28);
  canvas_.box({at, line - 8, 22, 16}, palette[0].fill);
  canvas_.box({at, line - 8, 22, 16}, "url(#frozen)");
  next("frozen", 28);
  canvas_.box({at, line - 9, 22, 18}, "#FFFFFF",
              " stroke=\"#222222\" stroke-width=\"1.5\" stroke-dasharray=\"5 3\"");
  next("one side of a cut", 28);
  canvas_.line(at, line, at + 22, line, ink, 1.5, "2 3");
  next("unheard by one", 28);
  canvas_.line(at, line - 5, at + 10, line + 5, alarm, 2);
  canvas_.line(at, line + 5, at + 10, line - 5, alarm, 2);
  next("killed (no cross at the end: left)", 16);
  legend_end_ = at;
  below_ = line + 14;
  if (is_roomy()) {
    canvas_.text(16, below_ + 10,
                 "Strokes above a row: what its node said; below: what it heard, as told to its "
                 "user. \"2: n4\" is epoch 2 with n4 as the supernode.",
                 {.size = 10.5});
    below_ += 18;
  }
}

void Picture::epochs() {
  below_ += 14;
  canvas_.text(16, below_, "Epochs", {.size = 12, .bold = true});
  // In columns, from the top down.
  const double column = 360;
  const size_t count = std::min(timeline_.views().size(), epochs_listed_max);
  const auto columns = static_cast<size_t>((left + axis_.width()) / column);
  const size_t lines = (count + columns - 1) / columns;
  for (size_t i = 0; i < count; ++i) {
    const Timeline::View& view = timeline_.views()[i];
    const double at = 16 + column * static_cast<double>(i / lines);
    const double line = below_ + 16 * static_cast<double>(1 + i % lines);
    canvas_.box({at, line - 8, 14, 9}, palette[i % palette.size()].fill);
    std::string words = std::to_string(view.epoch) + ": " + timeline_.rows()[view.supernode].nick +
                        " from " + instant_text(view.since) + " s";
    if (view.followers > 0) {
      words += " (" + view.reason + "; " + std::to_string(view.followers) + " came, the last in " +
               std::to_string(mrt::to_ms(view.slowest)) + " ms)";
    }
    canvas_.text(at + 20, line, words, {.size = 10.5});
  }
  below_ += 16 * static_cast<double>(lines) + 8;
  if (timeline_.views().size() > count) {
    canvas_.text(16, below_ + 8,
                 "and " + std::to_string(timeline_.views().size() - count) + " more",
                 {.size = 10.5, .colour = faint});
    below_ += 16;
  }
}

}  // namespace

std::string draw(const Timeline& timeline, const PictureCaption& caption, Instant end,
                 const std::optional<Violation>& violation) {
  return Picture(timeline, caption, end, violation).draw();
}

}  // namespace node::sim
