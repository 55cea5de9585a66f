// SPDX-License-Identifier: MIT
//
// A run of the real program, seen from outside: its arguments, its standard streams, its exit
// code. It knows nothing of what the program does.
//
// 1. Waiting has a deadline and never sleeps; while one program is waited for, the output of
//    all is read, so that none blocks on a full pipe.
// 2. Nothing stays behind: a Program is killed with its object, and with the test that has it.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace script {

using Json = nlohmann::json;
using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// What any step takes at most unless its test says otherwise: far beyond the usual, so that a
/// busy machine makes no failure.
inline constexpr Seconds patience{15};
/// Seconds since `begin`.
double since(Clock::time_point begin);

/// A temporary folder, removed with its object.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

struct Launch {
  std::vector<std::string> arguments;
  std::filesystem::path folder;                      // the working directory, HOME and state
  std::map<std::string, std::string> environment{};  // beside a bare one
  bool terminal =
      false;  // all three streams are a terminal of 80 x 24: output() has what it showed
  std::string standard_output{};    // goes to this file, and output() has nothing of it
  std::string network{};            // the path of a network namespace that it runs in
  std::function<void()> prepare{};  // in its process, before it begins: async-signal-safe calls
};

struct Event {
  Json body;
  Clock::time_point at;
};

class Program {
 public:
  explicit Program(const Launch& launch);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void say(std::string_view line);
  void write(std::string_view bytes);
  /// The end of a pipe; on a terminal type ^D.
  void end_input();
  void signal(int number) const;
  /// The exit code, 128 + signal where one ended it. Fails the test after `limit`.
  int await_end(Seconds limit = patience);

  pid_t pid() const { return pid_; }
  bool ended() const { return exit_code_ >= 0; }
  int exit_code() const { return exit_code_; }
  const std::string& output() const { return output_; }
  const std::string& complaints() const { return complaints_; }
  /// The lines of standard output that are JSON, and how many were not.
  const std::deque<Event>& events() const { return events_; }
  size_t other_lines() const { return other_lines_; }
  /// Lines of which it says so are neither parsed nor kept: where there are thousands a second,
  /// that would be most of what is measured.
  void tap(std::function<bool(std::string_view line)> takes) { tap_ = std::move(takes); }
  /// All that is known of it, for a failing test.
  std::string account() const;

  /// Reads and writes the streams of all programs until `condition` holds; whether it did.
  static bool run_until(const std::function<bool()>& condition, Seconds limit = patience);
  /// The same; fails the test, saying `what`.
  static void await(const std::string& what, const std::function<bool()>& condition,
                    Seconds limit = patience);

 private:
  static void turn(int wait_ms);
  void open_pipes(int (&far)[3]);
  void open_terminal(int (&far)[3]);
  void read_from(int& fd, std::string& text);
  void flush();
  void reap();
  void take_lines();

  std::vector<std::string> arguments_;
  pid_t pid_ = -1;
  int input_ = -1, output_fd_ = -1, error_fd_ = -1, end_fd_ = -1;
  int exit_code_ = -1;
  bool input_ends_ = false;
  std::string unsent_;
  std::string output_, complaints_;
  size_t parsed_ = 0;  // bytes of output_ that were looked at for events
  size_t other_lines_ = 0;
  std::deque<Event> events_;  // references to them stay good
  std::function<bool(std::string_view)> tap_;
};

/// Runs a command to its end: exit code, standard output and error.
struct Outcome {
  int code;
  std::string output;
  std::string complaints;
  double seconds;
};
Outcome run(const Launch& launch, Seconds limit = patience);

}  // namespace script
