// SPDX-License-Identifier: MIT
//
// Seats behind NATs: where their users have others call them, and what a gateway does to them.
#include "mrt/base/check.h"
#include "node/sim/star.h"

namespace node::sim {

void Star::put_behind(size_t seat, HostId gateway) {
  world_.put_behind(host(seat), gateway);
  tell({Deed::Kind::links,
        {seat},
        nick(seat) + " is behind gateway " + std::to_string(gateway.value) + ": " +
            describe(world_.nat(gateway))});
}

void Star::reboot_gateway(size_t seat) {
  const auto& gateway = world_.gateway(host(seat));
  CHECK(gateway);
  tell({Deed::Kind::links, {seat}, "the gateway of " + nick(seat) + " is switched off and on"});
  world_.reboot(*gateway);
}

/// Where a seat is to be called. Behind a NAT its user types `A` and the caller's address first, as
/// the two have told each other.
mrt::Address Star::call_address(size_t seat, size_t caller) {
  if (world_.gateway(host(seat)) && is_able(seat)) {
    const mrt::Address from = world_.address_for(host(caller), host(seat));
    node(seat)->allow(now(), CommandId{++commands_}, from);
    world_.wake(host(seat));
  }
  return world_.address_for(host(seat), host(caller));
}

}  // namespace node::sim
