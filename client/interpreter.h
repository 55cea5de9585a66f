// SPDX-License-Identifier: MIT
//
// Carries out the lines of the prompt on a node. It knows nothing of terminals and pipes:
// lines come in, commands are given, and it says when it wants no more lines for now.
//
// 1. Lines are carried out in their order. While a `C` is under way those whose meaning depends
//    on the star wait a little for it; so a script may say `C ...` and then `T ...`.
// 2. `Q` behind waiting lines waits for them and for own messages on their way, but not for long.
// 3. A line that cannot be carried out is told as an error and changes nothing.
// 4. Where a password was missing or wrong it is asked for, if somebody can be asked: three times
//    for join(), once for a `C`.
#pragma once

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "client/app.h"
#include "client/command.h"

namespace client {

class Interpreter {
 public:
  explicit Interpreter(App& app);

  void on_line(std::optional<std::string_view> line);
  /// The input has ended, which means `Q`; but where join() is still under way its end is
  /// waited for, so that `thuban join ADDRESS < /dev/null` can tell whether somebody is there.
  void on_input_end();
  void on_event(const node::Event& event);
  /// See Task::on_password_wanted().
  bool on_password_wanted(const node::CommandFailed& failed);
  /// Joins before anything else is done.
  void join(const Target& target, std::string text);

  bool is_joining() const { return joining_.has_value(); }
  bool is_join(node::CommandId command) const { return joining_ == command; }
  /// Told when lines should stop coming (true) and may come again (false).
  std::function<void(bool)> on_full;
  /// Asks the user for a password, saying why; the answer is empty where none was given. Not set:
  /// there is nobody.
  using OnAnswer = std::function<void(mrt::Bytes)>;
  std::function<void(const std::string& why, OnAnswer)> ask_password;

 private:
  struct Carry;
  /// The latest join, for another try with a password.
  struct Attempt {
    node::CommandId command;
    Target target;
    int questions_left = 0;
  };

  void attempt(node::CommandId command, const Target& target, int questions);
  void on_password(const node::CommandFailed& failed, mrt::Bytes password);
  bool waits(const Command& command) const;
  void carry_out(const Command& command, std::string line);
  void carry_out_waiting();
  void quit();
  void end_in_time();
  void give_up_waiting();
  void end_join();
  void check_full();
  bool has_room() const;

  App& app_;
  std::optional<node::CommandId> joining_;
  Attempt attempt_;
  bool joins_first_ = false;  // what is under way is join(), not a `C`
  bool input_ended_ = false;
  std::deque<std::string> waiting_;
  uint64_t said_ = 0;   // number of the last own message
  uint64_t heard_ = 0;  // of the last that came back
  bool full_ = false;
  bool quitting_ = false;
  bool carrying_out_ = false;  // what waits
  Deadline held_up_;
  Deadline patience_;
};

/// `line` as it is told with an error: on one line, not longer than a screen, and without the
/// secret of an invite.
std::string told_line(std::string_view line);

}  // namespace client
