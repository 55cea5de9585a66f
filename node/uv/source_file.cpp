// SPDX-License-Identifier: MIT
#include "node/uv/source_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "mrt/base/check.h"
#include "node/file_message.h"

namespace node::uv {

void SourceFile::carry_out(const FileRequest& request, std::vector<FileResult>& results) {
  if (std::holds_alternative<OpenSource>(request)) {
    if (auto error = open()) {
      results.push_back(failed(std::move(*error)));
      return;
    }
    CHECK(fstat(fd_.fd(), &hashed_) == 0);
    posix_fadvise(fd_.fd(), 0, 0, POSIX_FADV_SEQUENTIAL);
    hasher_.emplace(fd_.fd(), static_cast<uint64_t>(hashed_.st_size));
    go_on(results);
  } else if (const auto* chunk = std::get_if<ReadChunk>(&request)) {
    auto message = read(*chunk);
    if (auto* error = std::get_if<DiskError>(&message)) {
      results.push_back(failed(std::move(*error)));
    } else {
      results.push_back(ChunkRead{file_, chunk->chunk, std::get<mrt::SharedBytes>(message)});
    }
  } else if (std::holds_alternative<CloseFile>(request)) {
    hasher_.reset();
    fd_.reset();
  }
}

/// Opens the file and makes sure that it is one that can be read again and again.
std::optional<DiskError> SourceFile::open() {
  // O_NONBLOCK: a FIFO would wait for its other end.
  fd_ = Descriptor(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd_) return system_error("open", path_, errno);
  struct stat now {};
  if (fstat(fd_.fd(), &now) != 0) return system_error("read", path_, errno);
  if (S_ISDIR(now.st_mode)) return DiskError{FileFault::not_found, path_ + " is a folder"};
  if (!S_ISREG(now.st_mode)) return DiskError{FileFault::not_found, path_ + " is no regular file"};
  if (static_cast<uint64_t>(now.st_size) > file_bytes_max) {
    return DiskError{FileFault::limit, path_ + " is too large"};
  }
  return std::nullopt;
}

bool SourceFile::is_unchanged() const {
  struct stat now {};
  return fstat(fd_.fd(), &now) == 0 && now.st_size == hashed_.st_size &&
         now.st_ino == hashed_.st_ino && now.st_dev == hashed_.st_dev &&
         now.st_mtim.tv_sec == hashed_.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == hashed_.st_mtim.tv_nsec;
}

void SourceFile::go_on(std::vector<FileResult>& results) {
  const uint64_t size = static_cast<uint64_t>(hashed_.st_size);
  switch (hasher_->go_on()) {
    case FileHasher::State::going_on:
      results.push_back(HashProgress{file_, hasher_->position(), size});
      return;
    case FileHasher::State::failed:
      results.push_back(failed(system_error("read", path_, errno)));
      return;
    case FileHasher::State::cut_short:
      results.push_back(failed(changed()));
      return;
    case FileHasher::State::done:
      break;
  }
  if (!is_unchanged()) {
    results.push_back(failed(changed()));
    return;
  }
  tree_ = hasher_->tree();
  hasher_.reset();
  results.push_back(SourceOpened{file_, size, tree_->root()});
}

std::variant<mrt::SharedBytes, DiskError> SourceFile::read(const ReadChunk& request) {
  CHECK(tree_ && request.chunk < chunk_count(tree_->file_size()));
  if (!fd_) {
    if (auto error = open()) return std::move(*error);
  }
  if (!is_unchanged()) return changed();
  const auto rows = rows_of(request.chunk / tree_->chunks_per_piece());
  if (const auto* error = std::get_if<DiskError>(&rows)) return *error;

  const size_t size = chunk_size(tree_->file_size(), request.chunk);
  const auto proof = tree_->proof(request.chunk, *std::get<const HashRows*>(rows));
  mrt::Bytes message = chunk_message(request.head, proof, size);
  const ssize_t got =
      read_fully(fd_.fd(), mrt::MutableBytes(message).last(size), request.chunk * chunk_bytes_max);
  if (got < 0) return system_error("read", path_, errno);
  if (static_cast<size_t>(got) < size) return changed();
  return std::make_shared<const mrt::Bytes>(std::move(message));
}

/// The rows below the kept top of the tree: hashed from the file again, unless they were just
/// used.
std::variant<const HashRows*, DiskError> SourceFile::rows_of(uint64_t piece) {
  for (auto cached = pieces_.begin(); cached != pieces_.end(); ++cached) {
    if (cached->first != piece) continue;
    pieces_.splice(pieces_.begin(), pieces_, cached);
    return &pieces_.front().second;
  }
  std::vector<FileHash> hashes;
  if (tree_->chunks_per_piece() == 1) {
    hashes.push_back(tree_->piece(piece));
  } else {
    mrt::Bytes buffer(chunk_bytes_max);
    for (uint64_t i = 0; i < tree_->chunks_in_piece(piece); ++i) {
      const uint64_t chunk = piece * tree_->chunks_per_piece() + i;
      const size_t size = chunk_size(tree_->file_size(), chunk);
      const auto bytes = mrt::MutableBytes(buffer).first(size);
      const ssize_t got = read_fully(fd_.fd(), bytes, chunk * chunk_bytes_max);
      if (got < 0) return system_error("read", path_, errno);
      if (static_cast<size_t>(got) < size) return changed();
      hashes.push_back(hash_of_chunk(tree_->file_size(), bytes));
    }
  }
  auto rows = tree_->piece_rows(piece, std::move(hashes));
  if (!rows) return changed();
  pieces_.emplace_front(piece, std::move(*rows));
  if (pieces_.size() > pieces_cached_max) pieces_.pop_back();
  return &pieces_.front().second;
}

DiskError SourceFile::changed() const {
  return {FileFault::changed, path_ + " was changed since it was offered"};
}

FileFailed SourceFile::failed(DiskError error) {
  hasher_.reset();
  fd_.reset();
  return {file_, error.fault, std::move(error.message)};
}

}  // namespace node::uv
