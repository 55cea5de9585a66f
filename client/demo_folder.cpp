// SPDX-License-Identifier: MIT
#include "client/demo_folder.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <system_error>

#include "client/demo_loop.h"

namespace client {

namespace {

// The sweeper must see the end of the others: no terminal's signal reaches it, and it holds
// none of their streams open.
[[noreturn]] void sweep(int read_fd, const std::filesystem::path& path) {
  setsid();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE}) signal(number, SIG_IGN);
  const int null_fd = open("/dev/null", O_RDWR);
  for (int fd = 0; fd <= 2; ++fd) dup2(null_fd, fd);
  char byte = 0;
  ssize_t got = 0;
  do {
    got = read(read_fd, &byte, 1);
  } while (got > 0 || (got < 0 && errno == EINTR));
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
  _exit(0);
}

}  // namespace

DemoFolder::DemoFolder() {
  std::error_code error;
  std::string name = std::filesystem::temp_directory_path(error) / "thuban-demo-XXXXXX";
  int fds[2];
  if (error || mkdtemp(name.data()) == nullptr) {
    throw DemoStopped{1, "making a temporary folder: " + std::string(std::strerror(errno))};
  }
  path_ = name;
  if (pipe2(fds, O_CLOEXEC) != 0 || (sweeper_ = fork()) < 0) {
    const std::string why = std::strerror(errno);
    std::filesystem::remove_all(path_, error);
    throw DemoStopped{1, "watching the temporary folder: " + why};
  }
  if (sweeper_ == 0) {
    close(fds[1]);
    sweep(fds[0], path_);
  }
  close(fds[0]);
  keep_fd_ = fds[1];
}

DemoFolder::~DemoFolder() {
  close(keep_fd_);
  while (waitpid(sweeper_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace client
