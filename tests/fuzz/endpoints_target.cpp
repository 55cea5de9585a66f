// SPDX-License-Identifier: MIT
//
// Two endpoints in suite plain, so that whatever a script forges passes the seal and reaches the
// frames, streams and windows behind it. The first byte draws their limits.
#include "fuzz/endpoint_world.h"
#include "fuzz/targets.h"

namespace fuzz {

void endpoints(mrt::ByteView input) {
  mrt::Reader script(input);
  EndpointWorld world(small_limits(script.u8(), true));
  while (script.remaining() > 0) world.step(script);
  world.settle();
}

}  // namespace fuzz
