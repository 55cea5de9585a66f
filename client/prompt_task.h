// SPDX-License-Identifier: MIT
//
// The runs that stay: none, host, join (with a prompt, a pipe or --no-prompt) and share.
#pragma once

#include <memory>
#include <string>

#include "client/app.h"
#include "client/interpreter.h"
#include "client/line_reader.h"
#include "client/prompt.h"
#include "client/share_folder.h"

namespace client {

class PromptTask final : public Task {
 public:
  explicit PromptTask(const Options& options) : options_(options) {}

  bool is_talkative() const override { return true; }
  void on_start(App& app) override;
  void on_event(App& app, const node::Event& event) override;
  bool on_password_wanted(App& app, const node::CommandFailed& failed) override;
  void on_reachable(App& app) override { show_invite(app); }
  void on_resize() override;
  void on_suspend() override;
  void on_resume() override;
  /// It was asked to stay until then.
  ExitCode interrupted() const override { return ExitCode::done; }
  void on_end() override;

 private:
  bool reads_input() const { return options_.prompt && options_.verb != Verb::share; }
  bool hosts() const {
    return !options_.target && (options_.verb == Verb::host || options_.verb == Verb::share);
  }
  void show_invite(App& app);
  void open_input(App& app);
  void ask_password(App& app, const std::string& why, Interpreter::OnAnswer on_answer);
  void offer_files(App& app);

  const Options& options_;
  std::string invite_shown_;
  bool first_join_ = false;  // under way: where it fails the run has failed
  std::unique_ptr<Interpreter> interpreter_;
  std::unique_ptr<Prompt> prompt_;
  std::unique_ptr<LineReader> reader_;
  std::unique_ptr<ShareFolder> folder_;
};

}  // namespace client
