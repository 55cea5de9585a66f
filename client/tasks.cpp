// SPDX-License-Identifier: MIT
#include "client/tasks.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <filesystem>

#include "client/text.h"
#include "mrt/base/secret.h"
#include "node/uv/folder.h"

namespace client {

namespace fs = std::filesystem;

// A holder that restarts is back sooner; a script should not wait for ever.
static constexpr std::chrono::seconds lonely_max{30};
// As long as a join may take: then the star has been seeking a supernode for too long.
static constexpr std::chrono::seconds stable_max{10};

void OneShot::on_start(App& app) {
  join_ = app.command(app.options().verb_text);
  app.join(join_, *app.options().target);
}

void OneShot::on_event(App& app, const node::Event& event) {
  if (const auto* failed = std::get_if<node::CommandFailed>(&event)) {
    app.leave(exit_code_of(failed->code), failed->message);
  } else if (const auto* done = std::get_if<node::JoinDone>(&event)) {
    if (done->command == join_) on_joined(app);
  } else {
    on_further(app, event);
  }
}

bool OneShot::on_password_wanted(App& app, const node::CommandFailed& failed) {
  if (failed.command != join_ || questions_left_ == 0) return false;
  --questions_left_;
  Target target = *app.options().target;
  target.key = app.ask_password(failed.message);
  if (!target.key) return false;
  app.join(join_, target);
  mrt::wipe(target.key->secret);
  return true;
}

std::unique_ptr<GetTask> GetTask::create(Options& options, std::string& why) {
  auto task = std::make_unique<GetTask>();
  task->what_ = options.what;
  // It exits as soon as it has the file: nobody would get it from here.
  options.reshare = false;
  if (!options.out) return task;
  std::error_code error;
  if (options.out->ends_with('/') || fs::is_directory(*options.out, error)) {
    options.downloads = *options.out;
    return task;
  }
  const fs::path path(*options.out);
  if (fs::symlink_status(path, error).type() != fs::file_type::not_found) {
    why = fmt::format("{} is there already, and nothing is overwritten", clean(*options.out));
    return nullptr;
  }
  options.downloads = path.has_parent_path() ? path.parent_path().string() : ".";
  task->final_path_ = fs::absolute(path, error).lexically_normal().string();
  return task;
}

void GetTask::on_joined(App& app) {
  // As the node understands it; what is ambiguous or not there ends this run at once.
  for (const node::FileRow& row : app.node().files()) {
    if (row.name == what_ || row.hash.to_string().starts_with(what_)) hash_ = row.hash;
  }
  app.node().download(app.now(), app.command(app.options().verb_text + ' ' + what_), what_);
}

std::string GetTask::place(App& app, const std::string& path, bool was_there) {
  if (!final_path_) return path;
  std::error_code error;
  if (fs::equivalent(path, *final_path_, error)) return *final_path_;  // it was offered as that
  error.clear();
  if (was_there) {
    // The file that was found belongs to somebody: theirs stays where it is.
    fs::copy_file(path, *final_path_, error);
  } else {
    error.assign(node::uv::rename_to_free_name(AT_FDCWD, path.c_str(), final_path_->c_str()),
                 std::generic_category());
  }
  if (!error) return *final_path_;
  misplaced_ = true;
  app.fail(node::ErrorCode::disk,
           fmt::format("cannot name it {}: {}; it is at {}", clean(*final_path_), error.message(),
                       clean(path)),
           app.options().verb_text);
  return path;
}

void GetTask::on_further(App& app, const node::Event& event) {
  if (const auto* received = std::get_if<node::FileReceived>(&event)) {
    app.view().print(clean(received->path));
    app.leave(misplaced_ ? ExitCode::failed : ExitCode::done, "done");
  } else if (const auto* progress = std::get_if<node::DownloadProgress>(&event)) {
    hash_ = progress->hash;
    watch_holders(app);
  } else if (std::holds_alternative<node::FileWithdrawn>(event) ||
             std::holds_alternative<node::FileOffered>(event)) {
    watch_holders(app);
  }
}

void GetTask::watch_holders(App& app) {
  if (!hash_) return;
  bool held = false;
  for (const node::FileRow& row : app.node().files()) held |= row.hash == *hash_;
  if (held) {
    lonely_.reset();
  } else if (!lonely_) {
    lonely_ = std::make_unique<Deadline>(app.loop());
    lonely_->arm(lonely_max, [&app] {
      const std::string why = "the last holder has left; what is here is kept for another try";
      app.fail(node::ErrorCode::timeout, why, app.options().verb_text);
      app.leave(ExitCode::unreachable, why);
    });
  }
}

void ChatTask::on_joined(App& app) {
  number_ = app.node().chat(app.now(), app.command(app.options().verb_text), app.options().what);
  patience_ = std::make_unique<Deadline>(app.loop());
  patience_->arm(stable_max, [&app] {
    const std::string why = "sent, but nobody has confirmed it";
    app.fail(node::ErrorCode::timeout, why, app.options().verb_text);
    app.leave(ExitCode::unreachable, why);
  });
}

void ChatTask::on_further(App& app, const node::Event& event) {
  const auto* stable = std::get_if<node::OwnStable>(&event);
  if (stable && number_ != 0 && stable->number >= number_) app.leave(ExitCode::done, "done");
}

void ListTask::on_joined(App& app) {
  node::Node& node = app.node();
  if (app.options().verb == Verb::peers) {
    app.view().show(PeersAsked{{node.epoch(), node.supernode(), node.peers()}});
  } else {
    app.view().show(FilesAsked{node.files()});
  }
  app.leave(ExitCode::done, "done");
}

}  // namespace client
