// SPDX-License-Identifier: MIT
//
// Standard output or standard error, without ever waiting for who reads it: what does not fit
// into the pipe or terminal is kept and follows when there is room.
//
// 1. The mode of the descriptor, which other processes share, is not changed.
// 2. At most waiting_bytes_max are kept. What comes beyond is dropped whole and counted.
// 3. After an error (EPIPE: the reader has gone) everything is dropped; on_broken is called once
//    with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "client/fd_watch.h"

namespace client {

class Output {
 public:
  // Half a minute of events at a few hundred KB a second: longer than a reader that
  // still lives stays away.
  static constexpr size_t waiting_bytes_max = 8 * 1024 * 1024;

  Output(uv_loop_t* loop, int fd, std::function<void(int)> on_broken);
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  /// Whole or not at all, and then false.
  bool write(std::string_view text);
  /// One that understands escape sequences.
  bool is_terminal() const { return terminal_; }
  /// Columns of the terminal; 80 where it is none.
  size_t columns() const;
  /// Pieces of output that were dropped since the last call.
  uint64_t take_dropped();
  /// Waits until all is written, at most so long; below 0 without a limit. For the end of the
  /// program.
  void flush(int milliseconds_max);

 private:
  void write_waiting();
  /// Bytes written; 0: no room now.
  size_t write_some(std::string_view text);
  void break_off(int error);

  FdWatch watch_;
  int fd_;
  bool own_fd_ = false;  // a descriptor of our own, not blocking
  bool socket_ = false;
  bool terminal_ = false;
  bool broken_ = false;
  bool watching_ = false;
  std::string waiting_;
  uint64_t dropped_ = 0;
  std::function<void(int)> on_broken_;
};

}  // namespace client
