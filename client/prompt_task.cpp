// SPDX-License-Identifier: MIT
#include "client/prompt_task.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "client/access.h"
#include "client/completion.h"

namespace client {

static bool can_edit_lines(App& app) {
  return !app.options().json && isatty(STDIN_FILENO) && app.console().notes_are_terminal();
}

static std::vector<std::string> completions(App& app, std::string_view line) {
  CompletionSource source{{}, {}, paths_beginning_with};
  for (const node::Peer& peer : app.node().peers()) source.nicks.push_back(peer.nick);
  for (const node::FileRow& file : app.node().files()) source.files.push_back(file.name);
  return complete_line(line, source);
}

void PromptTask::on_start(App& app) {
  interpreter_ = std::make_unique<Interpreter>(app);
  show_invite(app);
  if (reads_input()) open_input(app);
  if (can_ask(options_)) {
    interpreter_->ask_password = [this, &app](const std::string& why, auto on_answer) {
      ask_password(app, why, std::move(on_answer));
    };
  }
  if (prompt_ && options_.verb == Verb::none) {
    app.view().note("alone here: C IP PORT connects to a star, ? lists the commands");
  }
  if (options_.target) {
    first_join_ = true;
    interpreter_->join(*options_.target, options_.verb_text);
  } else {
    offer_files(app);
  }
}

/// Where this node hosts, and it is another one than before.
void PromptTask::show_invite(App& app) {
  if (!hosts()) return;
  const Invited invited = app.invite();
  if (std::exchange(invite_shown_, invited.invite) != invited.invite) app.view().show(invited);
}

void PromptTask::open_input(App& app) {
  if (can_edit_lines(app)) {
    prompt_ = std::make_unique<Prompt>(
        app.loop(), app.console(),
        Prompt::Actions{[this](const std::string& line) { interpreter_->on_line(line); },
                        [this] { interpreter_->on_input_end(); },
                        [&app](std::string_view line) { return completions(app, line); }});
    return;
  }
  reader_ = std::make_unique<LineReader>(
      app.loop(), STDIN_FILENO,
      [this](std::optional<std::string_view> line) { interpreter_->on_line(line); },
      [this] { interpreter_->on_input_end(); });
  interpreter_->on_full = [this](bool full) { full ? reader_->pause() : reader_->resume(); };
}

void PromptTask::offer_files(App& app) {
  for (const std::string& path : options_.files) {
    app.node().offer(app.now(), app.command(options_.verb_text + ' ' + path), path);
  }
  if (options_.share_folder) {
    folder_ = std::make_unique<ShareFolder>(
        app.loop(), *options_.share_folder,
        ShareFolder::Actions{[&app](const std::string& path) {
                               app.node().offer(app.now(), app.command("--share " + path), path);
                               app.wake();
                             },
                             [&app](const std::string& path) {
                               app.node().withdraw(app.now(), path);
                               app.wake();
                             }});
  }
  app.wake();
}

void PromptTask::ask_password(App& app, const std::string& why, Interpreter::OnAnswer on_answer) {
  if (prompt_) {
    app.view().note("thuban: " + why);
    prompt_->ask_password(password_question(options_.network), std::move(on_answer));
  } else {
    auto key = app.ask_password(why);
    on_answer(key ? std::move(key->secret) : mrt::Bytes{});
  }
}

bool PromptTask::on_password_wanted(App&, const node::CommandFailed& failed) {
  return interpreter_->on_password_wanted(failed);
}

void PromptTask::on_event(App& app, const node::Event& event) {
  const auto* failed = std::get_if<node::CommandFailed>(&event);
  if (first_join_ && failed && interpreter_->is_join(failed->command)) {
    return app.leave(exit_code_of(failed->code), failed->message);
  }
  interpreter_->on_event(event);
  // The invite that was shown leads into a star that is no more, or not in from beyond the NAT.
  if (std::holds_alternative<node::AccessChanged>(event)) show_invite(app);
  const auto* nat = std::get_if<node::NatChanged>(&event);
  if (nat && nat->behaviour.mapped && nat->behaviour.is_translated()) show_invite(app);
  if (!first_join_ || interpreter_->is_joining()) return;
  first_join_ = false;
  offer_files(app);
}

void PromptTask::on_resize() {
  if (prompt_) prompt_->on_resize();
}

void PromptTask::on_suspend() {
  if (prompt_) prompt_->suspend();
}

void PromptTask::on_resume() {
  if (prompt_) prompt_->resume();
}

void PromptTask::on_end() {
  prompt_.reset();
  reader_.reset();
  folder_.reset();
  interpreter_.reset();
}

}  // namespace client
