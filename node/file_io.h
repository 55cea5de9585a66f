// SPDX-License-Identifier: MIT
//
// Disk work as values: what a node wants of the disk leaves as a FileRequest event, what came
// of it returns as a FileResult. The node never sees a file descriptor, a path outside the
// name that it was given, or the time that a disk takes.
//
// 1. A token is chosen by the node, names one file until its last result, and is never reused.
// 2. OpenSource and OpenTarget are answered by SourceOpened, TargetOpened, TargetPlaced or
//    FileFailed; progress may come before. FileFailed ends a token at any time, CloseFile too:
//    nothing is said of it after that, and requests for it are dropped.
// 3. TargetOpened after FinishTarget: what an earlier try had left was wrong, and all chunks are
//    wanted again.
// 4. Requests for one token are carried out in the order in which they were made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "mrt/base/interval_set.h"
#include "mrt/types.h"
#include "node/ids.h"

namespace node {

/// Hashes the file at `path` (of this host, any path) and keeps it ready for ReadChunk.
struct OpenSource {
  FileToken file;
  std::string path;
};
/// Reads one chunk with its proof behind `head` (file_message.h): the whole message in one
/// buffer, so that no byte of a file is copied between the disk and the connection.
struct ReadChunk {
  FileToken file;
  uint64_t chunk = 0;
  mrt::Bytes head;
};
/// Prepares `name` in the downloads folder: finds the very content there already, or what an
/// earlier try left in its .part file, or begins one.
struct OpenTarget {
  FileToken file;
  std::string name;  // REQUIRES: is_file_name(name)
  uint64_t size = 0;
  FileHash hash;
};
/// Writes a verified chunk: `size` bytes of `message` from `offset` on.
struct WriteChunk {
  FileToken file;
  uint64_t chunk = 0;
  mrt::SharedBytes message;
  size_t offset = 0;
  size_t size = 0;
};
/// All chunks are written: verifies the whole where a part of it was there before, and places
/// it under its name or the next free one.
struct FinishTarget {
  FileToken file;
};
/// Ends a token. A target's .part stays for a later try, unless `discard`.
struct CloseFile {
  FileToken file;
  bool discard = false;
};

using FileRequest =
    std::variant<OpenSource, ReadChunk, OpenTarget, WriteChunk, FinishTarget, CloseFile>;

/// Why a file could not be had, offered or written. In the contract's words: name is `usage`,
/// not_found `not-found`, disk and changed `disk`, integrity `integrity`, limit `limit`.
enum class FileFault : uint8_t {
  name,       // cannot be offered or received under that name
  not_found,  // no such file, or not a regular one
  disk,       // full, unreadable, vanished, an I/O error
  changed,    // a source is not what it was when it was hashed
  integrity,  // a finished target is not what its hash says
  limit,      // too many open, or larger than can be
};

/// A source was hashed so far; several a second for a large file, none for a small one.
struct HashProgress {
  FileToken file;
  uint64_t bytes = 0;
  uint64_t size = 0;
};
struct SourceOpened {
  FileToken file;
  uint64_t size = 0;
  FileHash hash;
};
struct ChunkRead {
  FileToken file;
  uint64_t chunk = 0;
  mrt::SharedBytes message;
};
/// `have`: chunks that an earlier try left; empty for a new one.
struct TargetOpened {
  FileToken file;
  mrt::IntervalSet have;
};
struct ChunkWritten {
  FileToken file;
  uint64_t chunk = 0;
};
/// The last of a target: it is complete at `path` (absolute).
struct TargetPlaced {
  FileToken file;
  std::string path;
  bool was_there = false;  // nothing was written: that very content had been there before
};
struct FileFailed {
  FileToken file;
  FileFault fault = FileFault::disk;
  std::string message;  // a plain sentence for the user: "cannot write big.iso: disk full"
};

using FileResult = std::variant<HashProgress, SourceOpened, ChunkRead, TargetOpened, ChunkWritten,
                                TargetPlaced, FileFailed>;

}  // namespace node
