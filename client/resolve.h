// SPDX-License-Identifier: MIT
//
// Servers on the command line: from HOST:PORT, as it is typed, to addresses.
#pragma once

#include <uv.h>

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "mrt/base/address.h"

namespace client {

/// What an option that may be repeated names: HOST:PORT each, or "none" alone, and then `out` is
/// empty. False, and why in one line, on a mistake. Resolves nothing.
bool parse_servers(std::string_view option, const std::vector<std::string>& texts,
                   std::vector<std::string>& out, std::string& why);
/// All that HOST:PORT stands for, of both families, in the resolver's order. Empty, and why in one
/// line, where it is nothing that can be sent to. Asks the system's resolver, and waits for it.
std::vector<mrt::Address> resolve_all(const std::string& host_port, std::string& why);

/// The same beside a loop: the system's resolver may take half a minute to say that nobody answers.
///
/// 1. After its end nothing is called back.
/// 2. What has begun cannot be broken off: while is_busy() the loop does not run empty.
class Resolver {
 public:
  using OnResolved =
      std::function<void(const std::vector<mrt::Address>& addresses, const std::string& why)>;

  explicit Resolver(uv_loop_t* loop) : loop_(loop) {}
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Called back from here where it is an address or no name, else from the loop.
  void resolve(const std::string& host_port, OnResolved on_resolved);
  bool is_busy() const { return !running_.empty(); }

 private:
  struct Job;

  static void on_done(uv_getaddrinfo_t* request, int error, addrinfo* first);

  uv_loop_t* loop_;
  std::set<Job*> running_;  // each is freed when the pool has done with it
};

}  // namespace client
