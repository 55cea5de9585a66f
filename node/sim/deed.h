// SPDX-License-Identifier: MIT
//
// What a script does to a star, as a value: for whoever tells it (`thuban sim`) or draws it
// (timeline.h). It knows of nodes only their ids; seats are numbered as in star.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "node/ids.h"

namespace node::sim {

struct Deed {
  enum class Kind : uint8_t {
    starts,
    says,  // `text` is the message
    asks,
    hands_over,
    quits,
    killed,
    frozen,
    thaws,
    divided,  // `seats` and the others do not hear each other any more
    cut,      // the second of `seats` does not hear the first any more
    healed,
    links,
    disk,
    calm  // all faults end
  };
  Kind kind;
  std::vector<size_t> seats;
  std::string text;  // "n0 is killed"
  NodeId id{};       // who it is that starts
};

}  // namespace node::sim
