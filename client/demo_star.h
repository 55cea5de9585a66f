// SPDX-License-Identifier: MIT
//
// A star as text: the supernode in the middle, the others around it, a dotted ray to each.
// Pure: names in, lines out.
#pragma once

#include <string>
#include <vector>

namespace client {

struct StarPoint {
  std::string name;   // one column a byte: the demo's own nicks
  int colour = 0;     // SGR colour, 31 to 37; 0 for none
  bool gone = false;  // drawn crossed out and without a ray
};

struct StarStyle {
  bool unicode = false;
  bool colour = false;
};

/// The lines of the picture, at most 60 columns wide, without line ends. `around` is placed
/// clockwise from the upper left.
std::vector<std::string> draw_star(const StarPoint& centre, const std::vector<StarPoint>& around,
                                   const StarStyle& style);

}  // namespace client
