// SPDX-License-Identifier: MIT
//
// The downloads folder: names are opened, placed and removed below its descriptor, and lead
// nowhere else, whatever stands in their way. Blocking; knows nothing of downloads.
//
// 1. No name is ever followed through a link, and no file is ever overwritten.
#pragma once

#include <optional>
#include <string>
#include <variant>

#include "node/uv/descriptor.h"

namespace node::uv {

/// 0, or an errno. Where the file system does not know RENAME_NOREPLACE (NFS, some of FUSE), a hard
/// link refuses an existing name just so; EOPNOTSUPP where it has no links either. `folder`: as for
/// renameat2(2).
int rename_to_free_name(int folder, const char* from, const char* to);

class Folder {
 public:
  static std::variant<Folder, DiskError> open(const std::string& path);

  /// openat(2) of one component, with O_CLOEXEC and without waiting for a FIFO's other end.
  /// Negative errno where it fails. REQUIRES: is_file_name(name)
  int open_file(const std::string& name, int flags) const;
  /// Gives the file the name `wanted`, or the first free of "wanted (1)", "wanted (2)", ...
  /// In one step: the file is there under its new name whole, or not at all.
  std::variant<std::string, DiskError> place(const std::string& from,
                                             const std::string& wanted) const;
  void remove(const std::string& name) const;
  /// Whether the name still stands for the file that is open as `fd`.
  bool is_same(const std::string& name, int fd) const;
  /// Absolute.
  std::string path_of(const std::string& name) const;

 private:
  Folder(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Descriptor fd_;
  std::string path_;
};

}  // namespace node::uv
