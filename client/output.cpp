// SPDX-License-Identifier: MIT
#include "client/output.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <utility>

namespace client {

static bool understands_escapes() {
  const char* const kind = std::getenv("TERM");
  return kind && *kind != '\0' && std::string_view(kind) != "dumb";
}

Output::Output(uv_loop_t* loop, int fd, std::function<void(int)> on_broken)
    : watch_(loop), fd_(fd), on_broken_(std::move(on_broken)) {
  struct stat info {};
  if (fstat(fd, &info) != 0) {
    broken_ = true;  // closed before we began; nobody misses what is written there
    return;
  }
  const bool terminal = isatty(fd) != 0;
  terminal_ = terminal && understands_escapes();
  socket_ = S_ISSOCK(info.st_mode);
  if (!terminal && !S_ISFIFO(info.st_mode)) return;
  // Opened once more, the pipe or terminal has a mode of our own.
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  const int again = open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (again < 0) return;
  fd_ = again;
  own_fd_ = true;
}

Output::~Output() {
  if (own_fd_) close(fd_);
}

size_t Output::columns() const {
  winsize size{};
  const bool known = ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : 80;
}

bool Output::write(std::string_view text) {
  if (broken_) return false;
  if (waiting_.size() + text.size() > waiting_bytes_max) {
    ++dropped_;
    return false;
  }
  waiting_.append(text);
  if (!watching_) write_waiting();
  return true;
}

uint64_t Output::take_dropped() { return std::exchange(dropped_, 0); }

void Output::write_waiting() {
  size_t done = 0;
  while (done < waiting_.size()) {
    const size_t written = write_some(std::string_view(waiting_).substr(done));
    if (written == 0) break;
    done += written;
  }
  waiting_.erase(0, done);
  const bool blocked = !waiting_.empty() && !broken_;
  if (blocked && !watching_) {
    watching_ = watch_.start(fd_, FdWatch::For::writing, [this] { write_waiting(); });
  } else if (!blocked && watching_) {
    watch_.stop();
    watching_ = false;
  }
}

size_t Output::write_some(std::string_view text) {
  ssize_t written = -1;
  if (own_fd_) {
    written = ::write(fd_, text.data(), text.size());
  } else if (socket_) {
    written = send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } else {
    // What poll() finds writable takes this much without blocking.
    pollfd ready{fd_, POLLOUT, 0};
    if (poll(&ready, 1, 0) == 0) return 0;
    written = ::write(fd_, text.data(), std::min<size_t>(text.size(), PIPE_BUF));
  }
  if (written >= 0) return static_cast<size_t>(written);
  if (errno == EINTR) return write_some(text);
  if (errno != EAGAIN) break_off(errno);
  return 0;
}

void Output::break_off(int error) {
  broken_ = true;
  waiting_.clear();
  if (on_broken_) on_broken_(error);
}

void Output::flush(int milliseconds_max) {
  const bool limited = milliseconds_max >= 0;
  const uint64_t end =
      limited ? uv_hrtime() + static_cast<uint64_t>(milliseconds_max) * 1'000'000 : UINT64_MAX;
  write_waiting();
  while (!waiting_.empty() && !broken_) {
    const uint64_t now = uv_hrtime();
    if (now >= end) return;
    pollfd ready{fd_, POLLOUT, 0};
    poll(&ready, 1, limited ? static_cast<int>((end - now) / 1'000'000 + 1) : -1);
    write_waiting();
  }
}

}  // namespace client
