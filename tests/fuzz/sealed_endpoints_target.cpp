// SPDX-License-Identifier: MIT
//
// Two endpoints that share a password, and somebody between them who does not: nothing is handed
// out but what the other side sent, whatever is done to the packets. Keys are renewed all the time.
#include "fuzz/endpoint_world.h"
#include "fuzz/targets.h"

namespace fuzz {

void sealed_endpoints(mrt::ByteView input) {
  mrt::Reader script(input);
  EndpointWorld world(small_limits(script.u8(), false));
  while (script.remaining() > 0) world.step(script);
  world.settle();
}

}  // namespace fuzz
