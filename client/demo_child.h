// SPDX-License-Identifier: MIT
//
// One node of the demo: a process of this program with `--json`, its commands written to its
// standard input, its events read from its standard output.
//
// 1. It ends with its parent: standard input ends then, and that means `Q`.
// 2. Its object outlives its handles: close() and a turn of the loop come before destruction.
#pragma once

#include <uv.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace client {

struct DemoEvent {
  uint64_t at;  // ns of the monotonic clock, when it was read
  nlohmann::json body;
  bool is(std::string_view name) const { return body.value("event", "") == name; }
};

class DemoChild {
 public:
  explicit DemoChild(std::string nick) : nick_(std::move(nick)) {}
  DemoChild(const DemoChild&) = delete;
  DemoChild& operator=(const DemoChild&) = delete;

  /// Starts the process; `keep_fd` becomes its descriptor 3. Throws DemoStopped.
  void start(uv_loop_t* loop, const std::vector<std::string>& arguments, int keep_fd);
  /// Writes one command line.
  void say(const std::string& line);
  void kill(int signal_number);
  void close();

  const std::string& nick() const { return nick_; }
  int pid() const { return process_.pid; }
  uint64_t started_at() const { return started_at_; }
  bool started() const { return started_at_ != 0; }
  bool running() const { return started() && !exit_code_; }
  bool closed() const { return open_handles_ == 0; }
  /// Nothing while it runs; 128 + signal where a signal ended it.
  std::optional<int> exit_code() const { return exit_code_; }
  const std::vector<DemoEvent>& events() const { return events_; }
  /// The last event of that name from index `from` on; nullptr where there is none.
  const DemoEvent* last(std::string_view name, size_t from = 0) const;
  /// The node's id, from its first event.
  std::string node() const;
  /// The end of what it wrote to standard error.
  const std::string& complaints() const { return complaints_; }

 private:
  static void on_room(uv_handle_t* handle, size_t, uv_buf_t* buffer);
  void on_output(std::string_view bytes);
  void on_complaint(std::string_view bytes);
  void watch(uv_pipe_t& pipe, uv_read_cb on_read);

  std::string nick_;
  uv_process_t process_{};
  uv_pipe_t input_{}, output_{}, error_{};
  int open_handles_ = 0;
  uint64_t started_at_ = 0;
  std::optional<int> exit_code_;
  std::vector<DemoEvent> events_;
  std::string line_;  // the start of one that has not ended yet
  std::string complaints_;
};

}  // namespace client
