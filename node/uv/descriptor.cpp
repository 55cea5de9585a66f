// SPDX-License-Identifier: MIT
#include "node/uv/descriptor.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace node::uv {
namespace {

FileFault fault_of(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
      return FileFault::not_found;
    case EMFILE:
    case ENFILE:
    case EFBIG:
      return FileFault::limit;
    default:
      return FileFault::disk;
  }
}

}  // namespace

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  reset();
  fd_ = std::exchange(other.fd_, -1);
  return *this;
}

void Descriptor::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

size_t descriptor_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

bool leaves_room(int fd) {
  const size_t limit = descriptor_limit();
  return static_cast<size_t>(fd) < limit - limit / 4;
}

DiskError system_error(std::string_view doing, std::string_view name, int error) {
  return {fault_of(error), "cannot " + std::string(doing) + " " + std::string(name) + ": " +
                               std::generic_category().message(error)};
}

}  // namespace node::uv
