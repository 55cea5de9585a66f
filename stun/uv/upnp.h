// SPDX-License-Identifier: MIT
//
// Has the gateway lead one of its UDP ports here by UPnP-IGD. miniupnpc waits for the network, so
// it runs on a thread; what comes of it is told on the loop.
//
// 1. Only the host's own gateway is asked, whoever else answers.
// 2. The loop never waits for the thread. Where the gateway hangs at the end the thread is left to
//    itself: it touches nothing but what it shares.
#pragma once

#include <uv.h>

#include <functional>
#include <memory>
#include <optional>

#include "stun/uv/gateway.h"

namespace stun::uv {

struct UpnpResult {
  bool found = false;  // the gateway speaks UPnP-IGD
  std::optional<mrt::Address> external;
  int refused = 0;  // its error, where it refused
};

class Upnp {
 public:
  using OnResult = std::function<void(const UpnpResult&)>;

  /// Begins. The mapping is asked for `life_seconds` and renewed at half of them, unless
  /// do_without() was said before it was asked for.
  Upnp(uv_loop_t* loop, const Gateway& gateway, uint16_t port, uint32_t life_seconds,
       OnResult on_result);
  ~Upnp();
  Upnp(const Upnp&) = delete;
  Upnp& operator=(const Upnp&) = delete;

  void do_without();
  /// Takes the mapping back; `done` is called when that is over, or at once where there is none.
  void release(std::function<void()> done);

 private:
  struct Shared;

  void on_news();

  std::shared_ptr<Shared> shared_;
  uv_async_t* async_;
  OnResult on_result_;
  std::function<void()> on_released_;
};

}  // namespace stun::uv
