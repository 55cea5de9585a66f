// SPDX-License-Identifier: MIT
//
// The runs that join, do one thing and exit: get, chat, peers, files.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/app.h"

namespace client {

/// What they have in common: first of all they join, and a failure ends them.
class OneShot : public Task {
 public:
  bool is_talkative() const override { return false; }
  void on_start(App& app) override;
  void on_event(App& app, const node::Event& event) override;
  /// There is nothing else to do: it waits for the answer, three times.
  bool on_password_wanted(App& app, const node::CommandFailed& failed) override;
  ExitCode interrupted() const override { return ExitCode::interrupted; }

 protected:
  virtual void on_joined(App& app) = 0;
  virtual void on_further(App&, const node::Event&) {}

 private:
  node::CommandId join_;
  int questions_left_ = 3;
};

class GetTask final : public OneShot {
 public:
  /// Where --out leads: the folder for downloads is changed in `options`, and a name of its own
  /// kept here. Nothing, and why, where something is there already.
  static std::unique_ptr<GetTask> create(Options& options, std::string& why);

  std::string place(App& app, const std::string& path, bool was_there) override;
  void on_end() override { lonely_.reset(); }

 protected:
  void on_joined(App& app) override;
  void on_further(App& app, const node::Event& event) override;

 private:
  void watch_holders(App& app);

  std::string what_;
  std::optional<std::string> final_path_;
  std::optional<node::FileHash> hash_;  // of what is fetched
  std::unique_ptr<Deadline> lonely_;
  bool misplaced_ = false;
};

class ChatTask final : public OneShot {
 public:
  void on_end() override { patience_.reset(); }

 protected:
  void on_joined(App& app) override;
  void on_further(App& app, const node::Event& event) override;

 private:
  uint64_t number_ = 0;
  std::unique_ptr<Deadline> patience_;
};

/// peers and files.
class ListTask final : public OneShot {
 protected:
  void on_joined(App& app) override;
};

}  // namespace client
