// SPDX-License-Identifier: MIT
//
// What belongs to one token on a worker's side: a source or a target. Blocking; it is used by
// one thread at a time and knows no loop.
#pragma once

#include <vector>

#include "node/file_io.h"

namespace node::uv {

class DiskFile {
 public:
  virtual ~DiskFile() = default;

  /// Carries out a request, or begins to: then is_busy(), and go_on() does the rest. CloseFile
  /// may come while it is busy, anything else only when not.
  virtual void carry_out(const FileRequest& request, std::vector<FileResult>& results) = 0;
  /// One slice of long work. REQUIRES: is_busy().
  virtual void go_on(std::vector<FileResult>& results) = 0;
  virtual bool is_busy() const = 0;

  /// Descriptors that may be given up now and opened again when they are needed.
  virtual bool holds_idle_descriptor() const { return false; }
  virtual void release_descriptor() {}
};

}  // namespace node::uv
