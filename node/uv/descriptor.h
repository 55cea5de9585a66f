// SPDX-License-Identifier: MIT
//
// A file descriptor that is closed with its owner, and the errors of system calls as the
// sentences and faults that file_io.h wants.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "node/file_io.h"

namespace node::uv {

class Descriptor {
 public:
  Descriptor() = default;
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor() { reset(); }

  explicit operator bool() const { return fd_ >= 0; }
  int fd() const { return fd_; }
  void reset();

 private:
  int fd_ = -1;
};

/// How many this process may have.
size_t descriptor_limit();
/// Whether what was just opened, the lowest that was free, leaves a quarter of them to those who
/// cannot do without: timers and sockets of the program, files that others read. Who opens many
/// gives it back where not.
bool leaves_room(int fd);

/// What went wrong, and where it leads.
struct DiskError {
  FileFault fault;
  std::string message;
};

/// "cannot read big.iso: Permission denied", with the fault that this errno stands for.
DiskError system_error(std::string_view doing, std::string_view name, int error);

}  // namespace node::uv
