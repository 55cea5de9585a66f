// SPDX-License-Identifier: MIT
#include "client/keylog.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "client/text.h"

namespace client {

KeyLog::KeyLog(const std::string& path, std::string& error) {
  // Not blocking: a pipe that nobody reads must not hold up the program.
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
  struct stat info {};
  std::string why;
  if (fd_ < 0 || fstat(fd_, &info) != 0) {
    why = std::strerror(errno);
  } else if (!S_ISREG(info.st_mode)) {
    why = "it is not a file";
  } else if ((info.st_mode & 0777) != 0600 && fchmod(fd_, 0600) != 0) {
    why = fmt::format("others can read it: {}", std::strerror(errno));
  }
  if (!why.empty()) error = fmt::format("THUBAN_KEYLOG: cannot write {}: {}", clean(path), why);
}

KeyLog::~KeyLog() {
  if (fd_ >= 0) close(fd_);
}

bool KeyLog::write(std::string_view line) {
  const std::string whole = std::string(line) + '\n';
  return ::write(fd_, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
}

}  // namespace client
