// SPDX-License-Identifier: MIT
//
// A kernel that refuses: this program's own sendmsg, sendmmsg, setsockopt and epoll_ctl stand
// before the C library's and fail as asked, else pass the call on. Loopback alone never has a full
// send buffer, nor a device that cannot segment.
#pragma once

namespace kernel_faults {

struct Faults {
  int send_errno = 0;           // what refused sends report
  int send_refusals = 0;        // so many sends are refused
  bool only_segmented = false;  // only those with UDP_SEGMENT
  int send_cut_to = 0;          // sendmmsg takes at most so many messages; 0: all
  bool udp_options_unknown = false;
  bool never_writable = false;  // who waits for room hears nothing
};

/// What is in force; reset when a test ends.
extern Faults faults;

class Scope {
 public:
  explicit Scope(const Faults& wanted) { faults = wanted; }
  ~Scope() { faults = Faults{}; }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
};

}  // namespace kernel_faults
