// SPDX-License-Identifier: MIT
#include "client/share_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <string_view>

#include "mrt/uv/clock.h"

namespace client {

namespace {

// A file that is being written is looked at again until it was left alone so long.
constexpr std::chrono::milliseconds calm_time{300};
// A folder that is not there, or cannot be watched, is looked for again so often.
constexpr std::chrono::milliseconds retry_time{3000};

bool is_offered_name(std::string_view name) {
  return !name.starts_with('.') && !name.ends_with(".part");
}

}  // namespace

FolderContent read_folder(const std::string& path) {
  FolderContent content;
  DIR* const folder = opendir(path.c_str());
  if (!folder) return content;
  while (const dirent* entry = readdir(folder)) {
    struct stat info {};
    if (!is_offered_name(entry->d_name)) continue;
    if (fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISREG(info.st_mode)) continue;
    content[entry->d_name] = {info.st_ino, static_cast<uint64_t>(info.st_size),
                              info.st_ctim.tv_sec * 1'000'000'000 + info.st_ctim.tv_nsec};
    if (content.size() == folder_files_max) break;
  }
  closedir(folder);
  return content;
}

FolderChange changes_between(const FolderContent& before, const FolderContent& after) {
  FolderChange change;
  for (const auto& [name, stamp] : before) {
    const auto found = after.find(name);
    if (found == after.end() || found->second != stamp) change.withdraw.push_back(name);
  }
  for (const auto& [name, stamp] : after) {
    const auto found = before.find(name);
    if (found == before.end() || found->second != stamp) change.offer.push_back(name);
  }
  return change;
}

bool take_out_unsettled(FolderContent& content, int64_t now_ns, int64_t calm_ns) {
  // What was changed in the future, by a clock that was set back, counts as settled.
  return std::erase_if(content, [&](const auto& file) {
           const int64_t age = now_ns - file.second.changed_ns;
           return age >= 0 && age < calm_ns;
         }) > 0;
}

struct ShareFolder::Scan {
  ShareFolder* owner;  // null: nobody waits for it any more
  std::string path;
  FolderContent content{};
  uv_work_t work{};
};

ShareFolder::ShareFolder(uv_loop_t* loop, std::string folder, Actions actions)
    : loop_(loop), folder_(std::move(folder)), actions_(std::move(actions)), calm_(loop) {
  scan();
}

ShareFolder::~ShareFolder() {
  if (scan_) scan_->owner = nullptr;
}

void ShareFolder::scan() {
  if (scan_) {
    calm_.arm(calm_time, [this] { scan(); });
    return;
  }
  // Anew each time, before the folder is read: a watch ends in silence with its folder, and
  // another of that name may be there since.
  watch();
  scan_ = new Scan{this, folder_};
  scan_->work.data = scan_;
  uv_queue_work(
      loop_, &scan_->work,
      [](uv_work_t* work) {
        auto* const scan = static_cast<Scan*>(work->data);
        scan->content = read_folder(scan->path);
      },
      [](uv_work_t* work, int) {
        const std::unique_ptr<Scan> scan(static_cast<Scan*>(work->data));
        if (scan->owner) scan->owner->on_scanned(std::move(scan->content));
      });
}

void ShareFolder::watch() {
  watcher_.reset(new uv_fs_event_t);
  uv_fs_event_init(loop_, watcher_.get());
  watcher_->data = this;
  const auto on_change = [](uv_fs_event_t* event, const char*, int, int) {
    auto& self = *static_cast<ShareFolder*>(event->data);
    if (!self.calm_.is_armed()) self.calm_.arm(calm_time, [&self] { self.scan(); });
  };
  if (uv_fs_event_start(watcher_.get(), on_change, folder_.c_str(), 0) != 0) {
    calm_.arm(retry_time, [this] { scan(); });
  }
}

void ShareFolder::on_scanned(FolderContent content) {
  scan_ = nullptr;
  const int64_t calm_ns = std::chrono::nanoseconds(calm_time).count();
  if (take_out_unsettled(content, mrt::uv::wall_clock_ms() * 1'000'000, calm_ns)) {
    calm_.arm(calm_time, [this] { scan(); });
  }
  const FolderChange change = changes_between(content_, content);
  content_ = std::move(content);
  for (const std::string& name : change.withdraw) actions_.withdraw(folder_ + '/' + name);
  for (const std::string& name : change.offer) actions_.offer(folder_ + '/' + name);
}

}  // namespace client
