// SPDX-License-Identifier: MIT
//
// A run's timeline as a picture (SVG): a row for each node, a colour and a number for each epoch,
// thick where a node was the supernode, hatched where it was frozen, a strip for what befell the
// network, and where a rule broke with the messages that it is about. Below it stand what the
// signs mean, and the epochs with their reasons. Pure: the same run gives the same bytes.
//
// 1. Every sign is told by its shape or its words too, not by its colour alone.
// 2. The size is bounded: what would be closer together than a cell of the grid is drawn once,
//    and there are some 40,000 cells, whatever the nodes and the time.
#pragma once

#include <optional>
#include <string>

#include "node/sim/checker.h"
#include "node/sim/timeline.h"

namespace node::sim {

struct PictureCaption {
  std::string title;   // "storm, seed 3: 7 nodes"
  std::string links;   // "delay 10 ms"
  std::string repeat;  // the command
};

std::string draw(const Timeline& timeline, const PictureCaption& caption, mrt::Instant end,
                 const std::optional<Violation>& violation);

}  // namespace node::sim
