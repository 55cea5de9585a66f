// SPDX-License-Identifier: MIT
//
// One function for each alternative of a variant: std::visit(Match{[](const A&) {...}, ...}, v).
// A new alternative without a function does not compile.
#pragma once

namespace mrt {

template <class... Functions>
struct Match : Functions... {
  using Functions::operator()...;
};

}  // namespace mrt
