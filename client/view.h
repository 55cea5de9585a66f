// SPDX-License-Identifier: MIT
//
// Whoever watches: a program that reads JSON, or people at a screen, and beside either the
// log. It decides what is shown where; the words are made in json, screen, progress and log.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/console.h"
#include "client/log.h"
#include "client/options.h"
#include "client/progress.h"
#include "client/report.h"
#include "client/screen.h"

namespace client {

class View {
 public:
  /// `talkative`: people see what happens, not only what was asked for and what went wrong.
  View(Console& console, Log& log, const Options& options, bool talkative);

  void show(const Report& report);
  void show(const node::Event& event);
  /// One line for the user that is no event: a warning, help.
  void note(std::string_view text);
  /// A result as plain text; nothing in JSON, where events tell it.
  void print(std::string_view text);
  /// A download may have been given up: bars of those that go on are back with their next event.
  void end_progress();

 private:
  void write_json(const std::string& line);
  void write_line(const Line& line);
  void show_progress(const node::Event& event);
  void draw_progress();
  void show_qr(std::string_view text);

  Console& console_;
  Log& log_;
  bool colour_;
  Screen screen_;
  Progress progress_;
  bool json_;
  bool quiet_;
  bool qr_;
  bool talkative_;
  bool bars_;
};

}  // namespace client
