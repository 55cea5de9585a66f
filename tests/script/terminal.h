// SPDX-License-Identifier: MIT
//
// What a terminal of 80 x 24 shows after a program's output: the part of ECMA-48 that line
// editors and progress bars use. Colours are left out; every character is one column wide.
// And programs that run on one.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "script/star.h"

namespace script {

class Terminal {
 public:
  static constexpr int columns = 80;
  static constexpr int rows = 24;

  Terminal() : cells_(rows, std::vector<std::string>(columns, " ")) {}
  /// The screen after all of `output`.
  static Terminal after(std::string_view output);

  void write(std::string_view output);
  /// Without the spaces at its end.
  std::string line(int row) const;
  /// The line that the cursor is in.
  std::string current_line() const { return line(row_); }
  int column() const { return column_; }
  bool shows(std::string_view text) const;
  std::string picture() const;

 private:
  void put(const std::string& character);
  void control(char code);
  void sequence(std::string_view parameters, char final);
  void erase_line(int how);
  void erase_screen(int how);
  void down();

  std::vector<std::vector<std::string>> cells_;
  int row_ = 0;
  int column_ = 0;  // 80: the line is full, the next character goes to the next line
};

/// A node on a terminal: a command of `arguments`, bound to loopback.
Launch on_terminal(Star& star, std::vector<std::string> arguments);
/// What its terminal shows now.
Terminal screen(const Program& program);
/// Waits for it; the test fails where it does not come.
void await_screen(const Program& program, const std::string& what,
                  const std::function<bool(const Terminal&)>& match);
void await_shown(const Program& program, const std::string& text);

}  // namespace script
