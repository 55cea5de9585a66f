// SPDX-License-Identifier: MIT
#include "node/uv/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "mrt/base/check.h"
#include "node/file_name.h"
#include "node/uv/part_footer.h"

namespace node::uv {
namespace {

/// What is fetched again at most after a crash: eight seconds at 1 Mb/s. A footer costs a small
/// write for each sixteen chunks.
constexpr uint64_t footer_interval_bytes = 1024 * 1024;
/// Several nodes may download one file into one folder at once: each needs a .part of its own.
constexpr uint32_t part_copies_max = 32;
/// Files "a", "a (1)", ... that are compared with what is wanted.
constexpr uint32_t compared_max = 100;

/// 0, or the errno of pwrite(2).
int write_fully(int fd, mrt::ByteView bytes, uint64_t offset) {
  while (!bytes.empty()) {
    const ssize_t written = pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(written));
    offset += static_cast<uint64_t>(written);
  }
  return 0;
}

DiskError write_error(const std::string& name, int error) {
  DiskError out = system_error("write", name, error);
  if (out.fault == FileFault::not_found) out.fault = FileFault::disk;
  return out;
}

}  // namespace

PartFile::~PartFile() { close(false); }

void PartFile::carry_out(const FileRequest& request, std::vector<FileResult>& results) {
  if (const auto* target = std::get_if<OpenTarget>(&request)) {
    wanted_ = *target;
    open(results);
  } else if (const auto* chunk = std::get_if<WriteChunk>(&request)) {
    write(*chunk, results);
  } else if (std::holds_alternative<FinishTarget>(request)) {
    finish(results);
  } else if (const auto* closing = std::get_if<CloseFile>(&request)) {
    close(closing->discard);
  }
}

void PartFile::open(std::vector<FileResult>& results) {
  auto folder = Folder::open(downloads_);
  if (auto* error = std::get_if<DiskError>(&folder)) return fail(std::move(*error), results);
  folder_ = std::move(std::get<Folder>(folder));
  look_for_same(results);
}

/// "If that very content is already there": the name itself and its numbered followers are
/// compared, as far as they have the right size.
void PartFile::look_for_same(std::vector<FileResult>& results) {
  for (; number_ < compared_max; ++number_) {
    const std::string name = number_ == 0 ? wanted_.name : numbered_name(wanted_.name, number_);
    const int fd = folder_->open_file(name, O_RDONLY);
    if (fd == -ENOENT) break;
    there_ = Descriptor(fd);
    struct stat found {};
    const bool same_size = there_ && fstat(fd, &found) == 0 && S_ISREG(found.st_mode) &&
                           static_cast<uint64_t>(found.st_size) == wanted_.size;
    if (!same_size) continue;
    hasher_.emplace(fd, wanted_.size);
    return go_on(results);
  }
  there_.reset();
  open_part(results);
}

void PartFile::go_on(std::vector<FileResult>& results) {
  const FileHasher::State state = hasher_->go_on();
  if (state == FileHasher::State::going_on) {
    results.push_back(HashProgress{wanted_.file, hasher_->position(), wanted_.size});
    return;
  }
  const bool right = state == FileHasher::State::done && hasher_->tree().root() == wanted_.hash;
  hasher_.reset();
  if (fd_) return on_verified(right, results);
  if (!right) {
    ++number_;
    return look_for_same(results);
  }
  there_.reset();
  const std::string name = number_ == 0 ? wanted_.name : numbered_name(wanted_.name, number_);
  results.push_back(TargetPlaced{wanted_.file, folder_->path_of(name), true});
}

void PartFile::open_part(std::vector<FileResult>& results) {
  std::optional<DiskError> error;
  for (uint32_t copy = 0; copy < part_copies_max; ++copy) {
    error = take_part(part_name(wanted_.name, wanted_.hash, copy));
    if (!error || error->fault != FileFault::limit) break;
  }
  if (!error && !resumed_) error = begin_part();
  if (error) return fail(std::move(*error), results);
  results.push_back(TargetOpened{wanted_.file, have_});
}

/// Opens and locks one .part. `limit` where another process has it.
std::optional<DiskError> PartFile::take_part(const std::string& name) {
  const int fd = folder_->open_file(name, O_RDWR | O_CREAT);
  if (fd < 0) return write_error(name, -fd);
  fd_ = Descriptor(fd);
  struct stat found {};
  if (fstat(fd_.fd(), &found) != 0) return write_error(name, errno);
  if (!S_ISREG(found.st_mode) || found.st_nlink != 1) {
    fd_.reset();
    return DiskError{FileFault::disk, "cannot write " + name + ": it is no file of its own"};
  }
  if (flock(fd_.fd(), LOCK_EX | LOCK_NB) != 0 || !folder_->is_same(name, fd_.fd())) {
    fd_.reset();
    return DiskError{FileFault::limit, "cannot write " + name + ": others are writing it"};
  }
  part_ = name;
  read_footer();
  return std::nullopt;
}

void PartFile::read_footer() {
  mrt::Bytes bytes(footer_bytes_max);
  const ssize_t got = read_fully(fd_.fd(), bytes, wanted_.size);
  if (got <= 0) return;
  auto have = decode_footer(mrt::ByteView(bytes).first(static_cast<size_t>(got)), wanted_.size,
                            wanted_.hash);
  if (!have) return;
  have_ = std::move(*have);
  resumed_ = true;
}

/// An empty file with its place on the disk reserved, so that a full disk is known at once.
std::optional<DiskError> PartFile::begin_part() {
  have_.clear();
  bytes_since_footer_ = 0;
  if (ftruncate(fd_.fd(), 0) != 0) return write_error(part_, errno);
  if (wanted_.size == 0) return std::nullopt;
  if (fallocate(fd_.fd(), 0, 0, static_cast<off_t>(wanted_.size)) == 0) return std::nullopt;
  // A file system that cannot reserve tells of a full disk when it is written to.
  const bool cannot_reserve = errno == EOPNOTSUPP || errno == ENOSYS;
  if (cannot_reserve && ftruncate(fd_.fd(), static_cast<off_t>(wanted_.size)) == 0) {
    return std::nullopt;
  }
  return write_error(wanted_.name, errno);
}

void PartFile::write(const WriteChunk& chunk, std::vector<FileResult>& results) {
  const auto bytes = mrt::ByteView(*chunk.message).subspan(chunk.offset, chunk.size);
  const int error = write_fully(fd_.fd(), bytes, chunk.chunk * chunk_bytes_max);
  if (error != 0) return fail(write_error(wanted_.name, error), results);
  have_.add(chunk.chunk, chunk.chunk + 1);
  bytes_since_footer_ += chunk.size;
  if (bytes_since_footer_ >= footer_interval_bytes) write_footer();
  results.push_back(ChunkWritten{wanted_.file, chunk.chunk});
}

/// Best effort: without it a later try fetches more.
void PartFile::write_footer() {
  bytes_since_footer_ = 0;
  write_fully(fd_.fd(), encode_footer(wanted_.size, wanted_.hash, have_), wanted_.size);
}

void PartFile::finish(std::vector<FileResult>& results) {
  if (!resumed_) return place(results);
  hasher_.emplace(fd_.fd(), wanted_.size);
  go_on(results);
}

void PartFile::on_verified(bool right, std::vector<FileResult>& results) {
  resumed_ = false;
  if (right) return place(results);
  if (auto error = begin_part()) return fail(std::move(*error), results);
  results.push_back(TargetOpened{wanted_.file, {}});
}

/// The data is not forced to the disk first: after a power cut a file may be damaged, as with
/// any program that writes files, and its hash tells.
void PartFile::place(std::vector<FileResult>& results) {
  if (ftruncate(fd_.fd(), static_cast<off_t>(wanted_.size)) != 0) {
    return fail(write_error(wanted_.name, errno), results);
  }
  if (!folder_->is_same(part_, fd_.fd())) {
    fd_.reset();
    return fail({FileFault::disk, "cannot place " + wanted_.name + ": " + part_ + " is gone"},
                results);
  }
  auto name = folder_->place(part_, wanted_.name);
  if (auto* error = std::get_if<DiskError>(&name)) return fail(std::move(*error), results);
  fd_.reset();
  results.push_back(
      TargetPlaced{wanted_.file, folder_->path_of(std::get<std::string>(name)), false});
}

void PartFile::close(bool discard) {
  hasher_.reset();
  there_.reset();
  if (!fd_) return;
  if (discard || have_.empty()) {
    if (folder_->is_same(part_, fd_.fd())) folder_->remove(part_);
  } else {
    write_footer();
  }
  fd_.reset();
}

void PartFile::fail(DiskError error, std::vector<FileResult>& results) {
  close(false);
  results.push_back(FileFailed{wanted_.file, error.fault, std::move(error.message)});
}

}  // namespace node::uv
