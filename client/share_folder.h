// SPDX-License-Identifier: MIT
//
// `--share DIR`: says which files of a folder are to be offered, and follows its changes. It
// knows no node: it names paths to offer and to withdraw.
//
// 1. Regular files directly in DIR; neither hidden ones (".x") nor unfinished downloads
//    ("*.part"), no links.
// 2. A changed file is withdrawn and offered anew, when it has been left alone for a moment.
// 3. The folder is read beside the loop. One that vanishes has no files; when it is back it
//    is followed again.
#pragma once

#include <uv.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/deadline.h"

namespace client {

/// What tells one state of a file from another, without reading it.
struct FileStamp {
  uint64_t inode = 0;
  uint64_t size = 0;
  int64_t changed_ns = 0;  // ctime: set by whoever writes, and by nobody at will
  auto operator<=>(const FileStamp&) const = default;
};
/// By name.
using FolderContent = std::map<std::string, FileStamp>;

struct FolderChange {
  std::vector<std::string> offer;
  std::vector<std::string> withdraw;
};
/// Names; a changed file is in both lists.
FolderChange changes_between(const FolderContent& before, const FolderContent& after);
/// Takes out what was changed less than `calm_ns` before `now_ns`; whether there was any.
bool take_out_unsettled(FolderContent& content, int64_t now_ns, int64_t calm_ns);
/// Empty where there is no such folder. At most folder_files_max files.
FolderContent read_folder(const std::string& path);

/// As many files as a star's catalogue is meant for; more are left out.
inline constexpr size_t folder_files_max = 10'000;

class ShareFolder {
 public:
  struct Actions {
    std::function<void(const std::string& path)> offer;
    std::function<void(const std::string& path)> withdraw;
  };

  ShareFolder(uv_loop_t* loop, std::string folder, Actions actions);
  ~ShareFolder();
  ShareFolder(const ShareFolder&) = delete;
  ShareFolder& operator=(const ShareFolder&) = delete;

 private:
  struct Scan;

  void scan();
  void watch();
  void on_scanned(FolderContent content);

  uv_loop_t* loop_;
  std::string folder_;
  Actions actions_;
  Handle<uv_fs_event_t> watcher_;
  Deadline calm_;
  FolderContent content_;
  Scan* scan_ = nullptr;  // under way; owns itself
};

}  // namespace client
