// SPDX-License-Identifier: MIT
//
// A temporary folder that outlives nobody. A small process of its own holds the reading end
// of a pipe, the demo and each of its nodes a writing end: when the last of them has ended,
// in whichever way, the pipe ends and the folder is removed.
#pragma once

#include <sys/types.h>

#include <filesystem>

namespace client {

class DemoFolder {
 public:
  /// REQUIRES: no threads yet. Throws DemoStopped where no folder can be made.
  DemoFolder();
  /// Waits until the folder is gone. REQUIRES: whoever was given keep_fd() has ended.
  ~DemoFolder();
  DemoFolder(const DemoFolder&) = delete;
  DemoFolder& operator=(const DemoFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// To be inherited by each process that uses the folder.
  int keep_fd() const { return keep_fd_; }

 private:
  std::filesystem::path path_;
  int keep_fd_ = -1;
  pid_t sweeper_ = -1;
};

}  // namespace client
