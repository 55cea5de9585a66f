// SPDX-License-Identifier: MIT
//
// Whom a node asks outside of its star: the servers of --rendezvous and --stun, and public STUN
// servers where something beyond this host and LAN is wanted and nobody else was named. It finds
// their addresses, beside the loop, and hands them on; it knows no node.
//
// 1. Public servers are asked only after reach_beyond(), and with --nat none or --stun none never.
// 2. A name that cannot be resolved is told once, and done without.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "client/options.h"
#include "client/resolve.h"

namespace client {

/// Run by large operators for everybody, and named in many programs. Two of different hosts tell
/// how a NAT maps; the last one also answers from other ports and tells how it filters.
inline constexpr const char* public_stun_servers[] = {
    "stun.l.google.com:19302", "stun.cloudflare.com:3478", "stun.nextcloud.com:3478",
    "stun.sipgate.net:3478"};

class Servers {
 public:
  struct Actions {
    /// With none: there are no more, and none was found.
    std::function<void(const std::vector<mrt::Address>&)> on_rendezvous;
    std::function<void(const std::vector<mrt::Address>&)> on_stun;
    std::function<void(const std::string& warning)> warn;
  };

  Servers(uv_loop_t* loop, const Options& options, Actions actions);

  void begin();
  /// Somebody is to be met who is not on this host or LAN.
  void reach_beyond();
  /// Networks can be looked up, or as soon as a name is resolved.
  bool has_rendezvous() const { return rendezvous_left_ > 0 || rendezvous_found_; }
  bool is_busy() const { return resolver_.is_busy(); }

 private:
  void on_rendezvous(const std::vector<mrt::Address>& addresses, const std::string& why);

  const Options& options_;
  Actions actions_;
  size_t rendezvous_left_ = 0;  // names that are being resolved
  bool rendezvous_found_ = false;
  bool beyond_ = false;
  Resolver resolver_;
};

}  // namespace client
