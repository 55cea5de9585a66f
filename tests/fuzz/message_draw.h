// SPDX-License-Identifier: MIT
//
// The overlay's messages as somebody who breaks the rules would write them: well-formed, and
// about nodes, epochs and places that exist, or nearly do. Everything is drawn from a script.
#pragma once

#include <vector>

#include "node/message.h"

namespace fuzz {

/// What a liar has learnt about the star.
struct Gossip {
  std::vector<mrt::PublicKey> keys;
  std::vector<mrt::Address> addresses;
  node::Epoch epoch;
  node::Seq seq;
};

node::Message draw_message(mrt::Reader& script, const Gossip& gossip);
node::Hello draw_hello(mrt::Reader& script, const Gossip& gossip);

}  // namespace fuzz
