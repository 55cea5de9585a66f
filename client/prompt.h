// SPDX-License-Identifier: MIT
//
// Line editing on a terminal: libedit's wide interface, unbuffered, on our loop. It knows
// nothing of what the lines mean.
//
// 1. It never waits: libedit is given whole keys only (keys.h), and what it draws goes
//    through the Console.
// 2. The terminal is as it was when the prompt is gone, after an abort too.
// 3. A line is at most line_bytes_max long (line_reader.h); what is typed beyond is dropped.
// 4. A password never reaches libedit: it is neither shown nor in the history.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/console.h"
#include "mrt/base/bytes.h"

namespace client {

class Prompt final : public TypedLine {
 public:
  struct Actions {
    std::function<void(std::string)> on_line;
    /// Ctrl-D on an empty line, or the terminal is gone.
    std::function<void()> on_end;
    /// What could stand at the end of the line instead of its last argument.
    std::function<std::vector<std::string>(std::string_view line)> complete;
  };

  /// REQUIRES: standard input and standard error are terminals, a UTF-8 locale.
  Prompt(uv_loop_t* loop, Console& console, Actions actions);
  ~Prompt() override;
  Prompt(const Prompt&) = delete;
  Prompt& operator=(const Prompt&) = delete;

  size_t cursor_row() const override;
  void draw() override;

  /// Asks for a password in the place of the line being typed, which is back afterwards. Empty
  /// where none was given. REQUIRES: no other question is open.
  void ask_password(std::string question, std::function<void(mrt::Bytes)> on_answer);

  /// The terminal has another size.
  void on_resize();
  /// Gives the terminal back for a while (Ctrl-Z), and takes it again.
  void suspend();
  void resume();

 private:
  struct Editor;

  void on_input();
  void on_keys();
  void on_key(std::string_view key);
  void on_secret_key(std::string_view key);
  void edit(std::string_view key);
  void finish_line();
  void complete();
  std::string text_before_cursor() const;

  std::unique_ptr<Editor> editor_;
};

/// What all of them begin with, cut at a whole character.
std::string common_start(const std::vector<std::string>& candidates);

}  // namespace client
