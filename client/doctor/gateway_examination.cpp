// SPDX-License-Identifier: MIT
#include "client/doctor/gateway_examination.h"

#include "client/deadline.h"

namespace client {

namespace {

using stun::PortMapProtocol;

// Routers answer within a second, or not; UPnP's search takes one by itself.
constexpr std::chrono::milliseconds examine_time_max{2'500};
// Where nothing else is bound: the port of a mapping that is gone in a moment.
constexpr uint16_t examined_port = 7'703;

}  // namespace

std::optional<GatewayFacts> examine_gateway() {
  const auto gateway = stun::uv::default_gateway();
  if (!gateway) return std::nullopt;
  GatewayFacts facts{gateway->address, gateway->own, {}};
  uv_loop_t loop;
  uv_loop_init(&loop);
  {
    Deadline late(&loop);
    bool over = false, closed = false;
    const auto has_said = [&facts](PortMapProtocol protocol) {
      return facts.state.contains(protocol);
    };
    stun::uv::PortMapping* asked = nullptr;
    stun::uv::PortMapping mapping(
        &loop, *gateway, examined_port,
        [&] {
          facts.state = asked->state();
          over = over || (has_said(PortMapProtocol::upnp) &&
                          (has_said(PortMapProtocol::pcp) || has_said(PortMapProtocol::nat_pmp)));
        },
        true);
    asked = &mapping;
    late.arm(examine_time_max, [&over] { over = true; });
    while (!over) uv_run(&loop, UV_RUN_ONCE);
    late.disarm();
    mapping.close([&closed] { closed = true; });
    while (!closed) uv_run(&loop, UV_RUN_ONCE);
  }
  uv_run(&loop, UV_RUN_DEFAULT);
  uv_loop_close(&loop);
  return facts;
}

}  // namespace client
