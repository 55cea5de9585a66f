// SPDX-License-Identifier: MIT
#include "client/fd_watch.h"

#include <sys/epoll.h>
#include <unistd.h>

namespace client {

FdWatch::~FdWatch() { stop(); }

bool FdWatch::start(int fd, For what, std::function<void()> on_ready) {
  stop();
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  epoll_event wanted{};
  wanted.events = what == For::reading ? EPOLLIN : EPOLLOUT;
  if (epoll_ < 0 || epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &wanted) != 0) {
    stop();
    return false;
  }
  on_ready_ = std::move(on_ready);
  auto* poll = new uv_poll_t;
  if (uv_poll_init(loop_, poll, epoll_) != 0) {
    delete poll;
    stop();
    return false;
  }
  poll_.reset(poll);
  poll_->data = this;
  uv_poll_start(poll_.get(), UV_READABLE, [](uv_poll_t* ready, int, int) {
    // A copy: what is called may stop() this watch.
    const auto call = static_cast<FdWatch*>(ready->data)->on_ready_;
    call();
  });
  return true;
}

void FdWatch::stop() {
  if (poll_) uv_poll_stop(poll_.get());
  poll_.reset();
  if (epoll_ >= 0) close(epoll_);
  epoll_ = -1;
}

}  // namespace client
