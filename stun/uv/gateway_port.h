// SPDX-License-Identifier: MIT
//
// A PortMapping at whatever gateway a host has: another one when it comes into another network. It
// knows no node.
//
// 1. A mapping that is let go of is taken back within release_milliseconds_max, where its gateway
//    can still be reached, and says nothing any more.
#pragma once

#include "stun/uv/leaving.h"
#include "stun/uv/port_mapping.h"

namespace stun::uv {

class GatewayPort {
 public:
  GatewayPort(uv_loop_t* loop, PortMapping::OnChanged on_changed);

  /// `own`: where a node is reached. Its port is mapped at the host's gateway, if there is one and
  /// it is reached on that link; nothing happens where all is as it was.
  void look(const std::optional<Gateway>& gateway, const std::vector<mrt::Address>& own);
  /// Where others reach it from beyond the gateway.
  std::vector<mrt::Address> addresses() const;
  /// REQUIRES before destruction: `done` was called.
  void close(std::function<void()> done);

 private:
  struct Place {
    Gateway gateway;
    uint16_t port = 0;
    bool operator==(const Place&) const = default;
  };

  uv_loop_t* loop_;
  PortMapping::OnChanged on_changed_;
  std::optional<Place> place_;
  std::unique_ptr<PortMapping> mapping_;  // for that place
  Leaving<PortMapping> leaving_;
};

}  // namespace stun::uv
