// SPDX-License-Identifier: MIT
#include "unit/mrt_uv/kernel_faults.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace kernel_faults {

Faults faults;

static bool is_segmented(const msghdr* message) {
  auto* const fields = const_cast<msghdr*>(message);
  for (cmsghdr* it = CMSG_FIRSTHDR(fields); it != nullptr; it = CMSG_NXTHDR(fields, it)) {
    if (it->cmsg_level == IPPROTO_UDP && it->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

static bool refuses(bool segmented) {
  if (faults.send_refusals == 0 || (faults.only_segmented && !segmented)) return false;
  --faults.send_refusals;
  errno = faults.send_errno;
  return true;
}

}  // namespace kernel_faults

using kernel_faults::faults;

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  if (kernel_faults::refuses(kernel_faults::is_segmented(message))) return -1;
  return syscall(SYS_sendmsg, fd, message, flags);
}

extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  if (kernel_faults::refuses(false)) return -1;
  if (faults.send_cut_to > 0) count = std::min(count, static_cast<unsigned>(faults.send_cut_to));
  return static_cast<int>(syscall(SYS_sendmmsg, fd, messages, count, flags));
}

extern "C" int setsockopt(int fd, int level, int name, const void* value, socklen_t size) noexcept {
  if (faults.udp_options_unknown && level == IPPROTO_UDP) {
    errno = ENOPROTOOPT;
    return -1;
  }
  return static_cast<int>(syscall(SYS_setsockopt, fd, level, name, value, size));
}

extern "C" int epoll_ctl(int poll, int operation, int fd, epoll_event* wanted) noexcept {
  epoll_event event{};
  if (wanted != nullptr) event = *wanted;
  if (faults.never_writable) event.events &= ~uint32_t{EPOLLOUT};
  return static_cast<int>(syscall(SYS_epoll_ctl, poll, operation, fd, &event));
}
