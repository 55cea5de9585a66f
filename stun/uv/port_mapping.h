// SPDX-License-Identifier: MIT
//
// A port of the gateway that leads to a node: asked for by PCP or NAT-PMP (stun/port_mapper.h) and
// by UPnP-IGD (upnp.h) side by side, kept, and taken back at the end. It knows no node.
//
// 1. The loop never waits.
// 2. After close() it is over within release_time_max: what the gateway has not taken back by then
//    ends with its life.
#pragma once

#include <uv.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "mrt/uv/driver.h"
#include "stun/port_mapper.h"
#include "stun/uv/gateway.h"
#include "stun/uv/upnp.h"

namespace stun::uv {

/// A gateway on the LAN takes milliseconds for it.
inline constexpr int release_milliseconds_max = 500;

/// What the gateway has said, by protocol; nothing of one that did not answer yet.
struct PortMapNews {
  bool offered = false;                  // it answers
  std::optional<mrt::Address> external;  // what leads here
  int refused = 0;                       // its error, where it refused
};
using PortMapState = std::map<PortMapProtocol, PortMapNews>;

class PortMapping {
 public:
  using OnChanged = std::function<void()>;

  /// For the UDP port of this host. `every`: UPnP is used too where another protocol was faster.
  PortMapping(uv_loop_t* loop, const Gateway& gateway, uint16_t port, OnChanged on_changed,
              bool every = false);
  ~PortMapping();
  PortMapping(const PortMapping&) = delete;
  PortMapping& operator=(const PortMapping&) = delete;

  /// Where others reach the port from beyond the gateway.
  std::vector<mrt::Address> addresses() const;
  const PortMapState& state() const { return state_; }
  /// REQUIRES before destruction: `done` was called.
  void close(std::function<void()> done);

  /// For the driver.
  void on_event(mrt::Instant now, const PortMapEvent& event);

 private:
  void on_upnp(const UpnpResult& result);
  void on_part_released();
  void end();

  mrt::Address own_;
  bool every_;
  OnChanged on_changed_;
  PortMapState state_;
  std::unique_ptr<PortMapper> mapper_;
  std::unique_ptr<mrt::uv::Driver<PortMapper, PortMapping>> driver_;
  std::unique_ptr<Upnp> upnp_;
  uv_timer_t* limit_;
  std::function<void()> closed_;
  int parts_held_ = 0;
};

}  // namespace stun::uv
