// SPDX-License-Identifier: MIT
//
// A file that is offered: hashed once, then read chunk by chunk with proofs. Blocking.
//
// 1. What it serves is what it hashed: size, time, inode and the hashes of what is read beside a
//    chunk are compared each time, and a file that differs fails as `changed` for good.
// 2. It holds the top of the hash tree (merkle.h) and the inner rows of the last few pieces.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "node/merkle.h"
#include "node/uv/descriptor.h"
#include "node/uv/disk_file.h"
#include "node/uv/file_hasher.h"

namespace node::uv {

/// Several askers read at several places; each place needs the rows of one piece.
inline constexpr size_t pieces_cached_max = 4;

class SourceFile : public DiskFile {
 public:
  SourceFile(FileToken file, std::string path) : file_(file), path_(std::move(path)) {}

  void carry_out(const FileRequest& request, std::vector<FileResult>& results) override;
  void go_on(std::vector<FileResult>& results) override;
  bool is_busy() const override { return hasher_.has_value(); }
  bool holds_idle_descriptor() const override { return static_cast<bool>(fd_) && !is_busy(); }
  void release_descriptor() override { fd_.reset(); }

 private:
  std::optional<DiskError> open();
  bool is_unchanged() const;
  std::variant<mrt::SharedBytes, DiskError> read(const ReadChunk& request);
  std::variant<const HashRows*, DiskError> rows_of(uint64_t piece);
  DiskError changed() const;
  FileFailed failed(DiskError error);

  FileToken file_;
  std::string path_;
  Descriptor fd_;
  struct stat hashed_ {};  // when hashing began; nothing of it may differ later
  std::optional<FileHasher> hasher_;
  std::optional<HashTree> tree_;
  std::list<std::pair<uint64_t, HashRows>> pieces_;  // most recently used first
};

}  // namespace node::uv
