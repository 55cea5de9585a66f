// SPDX-License-Identifier: MIT
//
// Standard input as lines: from a pipe, a file, or a terminal without line editing. It never
// waits, and knows nothing of what the lines mean.
//
// 1. A line of more than line_bytes_max is told as too long, and its rest is dropped.
// 2. The last line counts without its line end; then the end is told, once.
// 3. While paused nothing is read: a pipe's writer is held up instead of memory filled.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "client/fd_watch.h"
#include "node/node.h"

namespace client {

/// A text of 64 KiB, and before it a command, a nick, quotes.
inline constexpr size_t line_bytes_max = node::text_bytes_max + 1024;

/// Cuts bytes into lines. Pure.
class LineSplitter {
 public:
  /// Nothing stands for a line that was too long.
  using OnLine = std::function<void(std::optional<std::string_view>)>;

  void push(std::string_view bytes, const OnLine& on_line);
  /// The input has ended: what is left is the last line.
  void finish(const OnLine& on_line);

 private:
  void finish_line(const OnLine& on_line);

  std::string line_;
  bool too_long_ = false;
};

class LineReader {
 public:
  /// `on_line` is given each line, `on_end` is called at the end of the input.
  LineReader(uv_loop_t* loop, int fd, LineSplitter::OnLine on_line, std::function<void()> on_end);
  ~LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;

  void pause();
  void resume();
  bool ended() const { return ended_; }

 private:
  struct FileRead;

  void on_ready();
  void read_file();
  void on_bytes(std::string_view bytes);
  void on_end();

  uv_loop_t* loop_;
  FdWatch watch_;
  int fd_;
  LineSplitter splitter_;
  LineSplitter::OnLine on_line_;
  std::function<void()> on_end_;
  FileRead* file_read_ = nullptr;  // under way; owns itself
  bool reading_ = false;
  bool ended_ = false;
};

}  // namespace client
