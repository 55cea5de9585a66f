// SPDX-License-Identifier: MIT
#include "client/interpreter.h"

#include <fmt/format.h>

#include <cstdlib>

#include "client/help.h"
#include "client/invite.h"
#include "client/text.h"
#include "mrt/base/secret.h"

namespace client {

namespace {

// `Q` ends within two seconds, of which App::leave() may need most. A node that has not joined
// yet has little to say at its end, so its lines may wait longer.
constexpr std::chrono::milliseconds patience_with_join{900};
constexpr std::chrono::milliseconds patience_with_messages{350};
// Somebody who answers a `C` has done so by then, even on the far side of the world; the prompt
// is not held up longer by a dead address.
constexpr std::chrono::milliseconds hold_time_max{1500};
// Own messages on their way at once; further lines wait in the pipe, where they cost nothing.
constexpr uint64_t messages_ahead_max = 256;
// Lines that wait in memory before a pipe is held up.
constexpr size_t waiting_max = 256;

// Somebody who was let in by nothing else may have mistyped it; a `C` can be typed again.
constexpr int questions_of_join = 3;
constexpr int questions_of_connect = 1;

std::string with_home(const std::string& path) {
  const char* const home = std::getenv("HOME");
  return path.starts_with("~/") && home ? home + path.substr(1) : path;
}

bool is_quit(std::string_view line) {
  const auto parsed = parse_command(line);
  const auto* command = std::get_if<Command>(&parsed);
  return command != nullptr && std::holds_alternative<Quit>(*command);
}

}  // namespace

std::string told_line(std::string_view line) {
  static constexpr size_t told_max = 256;
  std::string out;
  const std::string told = without_invites(trim(line));
  for (std::string_view rest = told; !rest.empty() && out.size() < told_max;) {
    append_utf8(out, take_character(rest));
  }
  return out;
}

Interpreter::Interpreter(App& app) : app_(app), held_up_(app.loop()), patience_(app.loop()) {}

void Interpreter::join(const Target& target, std::string text) {
  joins_first_ = true;
  joining_ = app_.command(std::move(text));
  attempt(*joining_, target, questions_of_join);
}

void Interpreter::attempt(node::CommandId command, const Target& target, int questions) {
  attempt_ = {command, target, questions};
  app_.join(command, target);
}

bool Interpreter::on_password_wanted(const node::CommandFailed& failed) {
  const bool asks = ask_password && failed.command == attempt_.command && !quitting_;
  if (!asks || attempt_.questions_left == 0) return false;
  --attempt_.questions_left;
  ask_password(failed.message,
               [this, failed](mrt::Bytes password) { on_password(failed, std::move(password)); });
  return true;
}

void Interpreter::on_password(const node::CommandFailed& failed, mrt::Bytes password) {
  if (app_.is_leaving()) return mrt::wipe(password);
  if (password.empty()) return app_.give_up(failed);
  Target target = attempt_.target;
  target.key = mrt::NetworkKey{mrt::Access::password, std::move(password)};
  app_.join(failed.command, target);
  mrt::wipe(target.key->secret);
}

void Interpreter::on_line(std::optional<std::string_view> line) {
  if (app_.is_leaving() || quitting_) return;
  if (!line) {
    return app_.fail(node::ErrorCode::limit, "this line is too long: 64 KiB of text at most", "");
  }
  if (!has_room()) {
    waiting_.emplace_back(*line);
    if (is_quit(*line)) end_in_time();
    return check_full();
  }
  const auto parsed = parse_command(*line);
  if (const auto* mistake = std::get_if<CommandMistake>(&parsed)) {
    return app_.fail(mistake->code, mistake->message, told_line(*line));
  }
  const Command& command = std::get<Command>(parsed);
  if (std::holds_alternative<Quit>(command)) return quit();
  if (waits(command)) {
    waiting_.emplace_back(*line);
  } else {
    carry_out(command, told_line(*line));
  }
  check_full();
}

bool Interpreter::has_room() const { return said_ - heard_ < messages_ahead_max; }

bool Interpreter::waits(const Command& command) const {
  if (!joining_ && waiting_.empty()) return false;
  // These say nothing to the star, and somebody who waits wants to look around.
  return !(
      std::holds_alternative<ShowHelp>(command) || std::holds_alternative<ShowStats>(command) ||
      std::holds_alternative<ListPeers>(command) || std::holds_alternative<ListFiles>(command) ||
      std::holds_alternative<Allow>(command) || std::holds_alternative<EmptyLine>(command));
}

void Interpreter::check_full() {
  const bool full = !has_room() || waiting_.size() >= waiting_max;
  if (full == full_) return;
  full_ = full;
  if (on_full) on_full(full);
}

void Interpreter::on_input_end() {
  if (app_.is_leaving() || quitting_) return;
  input_ended_ = true;
  if (!(joining_ && joins_first_)) quit();
}

void Interpreter::quit() {
  if (waiting_.empty() && heard_ >= said_) return app_.leave(ExitCode::done, "quit");
  quitting_ = true;
  end_in_time();
}

/// From the first time on: what comes back meanwhile wins no more.
void Interpreter::end_in_time() {
  if (patience_.is_armed()) return;
  patience_.arm(joining_ ? patience_with_join : patience_with_messages,
                [this] { give_up_waiting(); });
}

void Interpreter::give_up_waiting() {
  if (waiting_.empty()) return app_.leave(ExitCode::done, "quit");
  const std::string line = told_line(waiting_.front());
  const std::string why = fmt::format("left before '{}' could be carried out", line);
  app_.fail(node::ErrorCode::unreachable, why, line);
  app_.leave(joins_first_ ? ExitCode::unreachable : ExitCode::done, why);
}

void Interpreter::on_event(const node::Event& event) {
  if (const auto* done = std::get_if<node::JoinDone>(&event)) {
    if (is_join(done->command)) end_join();
  } else if (const auto* failed = std::get_if<node::CommandFailed>(&event)) {
    if (is_join(failed->command)) end_join();
  } else if (const auto* chat = std::get_if<node::ChatDelivered>(&event)) {
    const bool own = chat->from == app_.node().id() && !chat->history;
    if (own) heard_ = std::max(heard_, std::min(chat->id.number, said_));
  } else {
    return;
  }
  carry_out_waiting();
}

void Interpreter::end_join() {
  joining_.reset();
  joins_first_ = false;
  held_up_.disarm();
}

void Interpreter::carry_out_waiting() {
  // A line that fails at once comes back here: the loop below goes on with the next.
  if (carrying_out_) return;
  carrying_out_ = true;
  while (!joining_ && !waiting_.empty() && has_room()) {
    const std::string line = std::move(waiting_.front());
    waiting_.pop_front();
    const auto parsed = parse_command(line);
    if (const auto* mistake = std::get_if<CommandMistake>(&parsed)) {
      app_.fail(mistake->code, mistake->message, told_line(line));
    } else if (std::holds_alternative<Quit>(std::get<Command>(parsed))) {
      waiting_.clear();
      quitting_ = true;
    } else {
      carry_out(std::get<Command>(parsed), told_line(line));
    }
  }
  carrying_out_ = false;
  if (quitting_ || (input_ended_ && !joining_)) return quit();
  check_full();
}

/// One overload for each command.
struct Interpreter::Carry {
  Interpreter& self;
  std::string line;

  App& app() const { return self.app_; }
  node::Node& node() const { return self.app_.node(); }
  mrt::Instant now() const { return self.app_.now(); }
  node::CommandId id() const { return self.app_.command(line); }

  void operator()(const Connect& c) const {
    // First noted, then begun: it may fail at once.
    self.joins_first_ = false;
    self.joining_ = id();
    self.held_up_.arm(hold_time_max, [&interpreter = self] {
      interpreter.end_join();
      interpreter.carry_out_waiting();
    });
    self.attempt(*self.joining_, c.target, questions_of_connect);
  }
  void operator()(const Allow& c) const {
    if (c.address) {
      app().expect({*c.address});
      return node().allow(now(), id(), *c.address);
    }
    app().view().show(app().invite());
  }
  void operator()(const Chat& c) const {
    const uint64_t number = node().chat(now(), id(), c.text);
    if (number != 0) self.said_ = number;
  }
  void operator()(const Tell& c) const { node().tell(now(), id(), c.nick, c.text); }
  void operator()(const Share& c) const { node().offer(now(), id(), with_home(c.path)); }
  void operator()(const ListFiles&) const { app().view().show(FilesAsked{node().files()}); }
  void operator()(const Get& c) const { node().download(now(), id(), c.what); }
  void operator()(const ListPeers&) const {
    app().view().show(PeersAsked{{node().epoch(), node().supernode(), node().peers()}});
  }
  void operator()(const ShowStats&) const { app().view().show(StatsAsked{node().stats()}); }
  void operator()(const HandOver& c) const { node().hand_over(now(), id(), c.nick); }
  void operator()(const Ban& c) const { node().ban(now(), id(), c.nick); }
  void operator()(const Cancel& c) const { node().cancel(now(), id(), c.what); }
  void operator()(const ShowHelp&) const { app().view().note(prompt_help()); }
  void operator()(const Quit&) const {}
  void operator()(const EmptyLine&) const {}
};

void Interpreter::carry_out(const Command& command, std::string line) {
  std::visit(Carry{*this, std::move(line)}, command);
  app_.wake();
}

}  // namespace client
