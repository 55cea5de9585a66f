// SPDX-License-Identifier: MIT
#include "node/uv/folder.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "mrt/base/check.h"
#include "node/file_name.h"

namespace node::uv {
namespace {

/// What a shell's redirection asks for; the umask takes away.
constexpr mode_t mode = 0666;
/// More files of one name than anybody has: the search for a free one ends.
constexpr uint32_t numbers_max = 10'000;

}  // namespace

int rename_to_free_name(int folder, const char* from, const char* to) {
  if (renameat2(folder, from, folder, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS) return errno;
  if (linkat(folder, from, folder, to, 0) != 0) {
    return errno == EPERM || errno == ENOSYS ? EOPNOTSUPP : errno;
  }
  unlinkat(folder, from, 0);
  return 0;
}

std::variant<Folder, DiskError> Folder::open(const std::string& path) {
  Descriptor fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd && !leaves_room(fd.fd())) {
    return system_error("open the downloads folder", path, EMFILE);
  }
  if (!fd) {
    DiskError error = system_error("open the downloads folder", path, errno);
    if (error.fault == FileFault::not_found) error.fault = FileFault::disk;
    return error;
  }
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return Folder(std::move(fd), real ? real.get() : path);
}

int Folder::open_file(const std::string& name, int flags) const {
  CHECK(is_file_name(name));
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  long fd = syscall(SYS_openat2, fd_.fd(), name.c_str(), &how, sizeof(how));
  // Kernels before 5.6, and sandboxes: one component without links leads nowhere else either.
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) {
    fd = openat(fd_.fd(), name.c_str(), static_cast<int>(how.flags), mode);
  }
  return fd < 0 ? -errno : static_cast<int>(fd);
}

std::variant<std::string, DiskError> Folder::place(const std::string& from,
                                                   const std::string& wanted) const {
  std::string name = wanted;
  for (uint32_t number = 1; number <= numbers_max; ++number) {
    const int code = rename_to_free_name(fd_.fd(), from.c_str(), name.c_str());
    if (code == 0) return name;
    if (code != EEXIST) {
      DiskError error = system_error("place", wanted, code);
      if (code == EOPNOTSUPP)
        error.message += " (no hard links there, and no rename that never replaces a file)";
      error.fault = FileFault::disk;
      return error;
    }
    name = numbered_name(wanted, number);
  }
  return DiskError{FileFault::limit, "cannot place " + wanted + ": too many files of that name"};
}

void Folder::remove(const std::string& name) const { unlinkat(fd_.fd(), name.c_str(), 0); }

bool Folder::is_same(const std::string& name, int fd) const {
  struct stat named {};
  struct stat opened {};
  return fstatat(fd_.fd(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         fstat(fd, &opened) == 0 && named.st_dev == opened.st_dev && named.st_ino == opened.st_ino;
}

std::string Folder::path_of(const std::string& name) const {
  return path_ == "/" ? path_ + name : path_ + "/" + name;
}

}  // namespace node::uv
