// SPDX-License-Identifier: MIT
//
// A download on the disk: its chunks lie in place in "NAME.<hash>.part" with a footer behind
// them, until all are there and the file gets its name. Blocking.
//
// 1. Nothing has the final name before it is complete; what had a name before keeps it.
// 2. The .part is a regular file with one name, locked by one process: links and neighbours
//    are not written to.
// 3. A file that was continued is hashed as a whole before it is placed; if it is not what it
//    should be, all chunks are wanted again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "mrt/base/interval_set.h"
#include "node/uv/descriptor.h"
#include "node/uv/disk_file.h"
#include "node/uv/file_hasher.h"
#include "node/uv/folder.h"

namespace node::uv {

class PartFile : public DiskFile {
 public:
  explicit PartFile(std::string downloads) : downloads_(std::move(downloads)) {}
  /// Leaves the .part as CloseFile without `discard` does.
  ~PartFile() override;

  void carry_out(const FileRequest& request, std::vector<FileResult>& results) override;
  void go_on(std::vector<FileResult>& results) override;
  bool is_busy() const override { return hasher_.has_value(); }

 private:
  void open(std::vector<FileResult>& results);
  void look_for_same(std::vector<FileResult>& results);
  void open_part(std::vector<FileResult>& results);
  std::optional<DiskError> take_part(const std::string& name);
  std::optional<DiskError> begin_part();
  void read_footer();
  void write_footer();
  void write(const WriteChunk& chunk, std::vector<FileResult>& results);
  void finish(std::vector<FileResult>& results);
  void on_verified(bool right, std::vector<FileResult>& results);
  void place(std::vector<FileResult>& results);
  void close(bool discard);
  void fail(DiskError error, std::vector<FileResult>& results);

  std::string downloads_;
  OpenTarget wanted_;
  std::optional<Folder> folder_;
  Descriptor there_;     // a file of that name and size, while it is compared
  uint32_t number_ = 0;  // of that file among "a", "a (1)", ...
  Descriptor fd_;
  std::string part_;
  bool resumed_ = false;
  mrt::IntervalSet have_;
  uint64_t bytes_since_footer_ = 0;
  std::optional<FileHasher> hasher_;  // of there_ before the part is open, else of the part
};

}  // namespace node::uv
