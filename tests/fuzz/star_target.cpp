// SPDX-License-Identifier: MIT
//
// A star of three nodes and one that breaks the rules. The first byte says whether packets are
// sealed: then nobody can speak for another, but a run takes ten times as long.
#include "fuzz/star_world.h"
#include "fuzz/targets.h"

namespace fuzz {

void star(mrt::ByteView input) {
  mrt::Reader script(input);
  StarWorld world(script.u8() % 8 == 7);
  while (script.remaining() > 0) world.step(script);
  world.end();
}

}  // namespace fuzz
