// SPDX-License-Identifier: MIT
//
// The two outputs, and what stands at the bottom of a terminal: progress bars and the line
// being typed. Lines that arrive go above it. It knows nothing of what the lines say.
//
// 1. A line being typed is never broken: it is erased, the line printed, and drawn again.
// 2. Nothing here waits (output.h).
// 3. Escape sequences go to terminals only.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "client/output.h"

namespace client {

/// The line being typed, as its editor shows it.
class TypedLine {
 public:
  virtual ~TypedLine() = default;
  /// How many rows below its first the cursor stands.
  virtual size_t cursor_row() const = 0;
  /// Draws it, from the first column of an empty row on.
  virtual void draw() = 0;
};

class Console {
 public:
  /// `on_broken`: standard output cannot be written to any more, and why (errno).
  Console(uv_loop_t* loop, std::function<void(int)> on_broken);

  /// A line (or several) without its line end: to standard output, to standard error.
  void print_result(std::string_view lines);
  void print_note(std::string_view lines);
  /// A line with its line end, as it is: JSON. False where it had to be dropped.
  bool print_raw(std::string_view line);

  /// Shown at the bottom from now on; nothing where standard error is no terminal.
  void show_bars(std::vector<std::string> bars);
  void show_typed_line(TypedLine* line);
  /// Bytes of the line's editor, to the terminal.
  void write_typed(std::string_view bytes);
  /// The editor is about to print a line of its own below what is typed.
  void forget_bottom();

  bool results_are_terminal() const { return out_.is_terminal(); }
  bool notes_are_terminal() const { return err_.is_terminal(); }
  size_t columns() const { return err_.columns(); }
  uint64_t take_dropped() { return out_.take_dropped(); }
  void flush(int milliseconds_max);

 private:
  void print(Output& to, std::string_view lines);
  /// The bytes that clear the bottom; then it must be drawn again.
  void erase_bottom();
  void draw_bottom();

  Output out_;
  Output err_;
  bool one_terminal_;  // both are: everything goes through one, so that it stays in order
  std::vector<std::string> bars_;
  bool bars_drawn_ = false;
  TypedLine* typed_ = nullptr;
};

}  // namespace client
