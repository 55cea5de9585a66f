// SPDX-License-Identifier: MIT
//
// What scripts have in common: gathering a star, talking for a while, waiting for something
// with a limit, choosing somebody. Everything is drawn from the script's Random; each act
// returns false when the run is over because a rule or an expectation was broken.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/sim/star.h"

namespace node::sim {

/// The figure for a killed or frozen supernode, on links whose delay does not matter;
/// what a wide network may take on top.
Duration takeover_limit(Star& star);

/// Runs until `done`, or reports `what` as missing after `limit`.
bool until(Star& star, Duration limit, const std::string& what, const std::function<bool()>& done);
/// Runs until all is settled although nobody ended the faults.
bool until_settled(Star& star, Duration limit);

/// The first seat hosts, the others join at random moments through any member but that one.
bool gather(Star& star, mrt::Random& random, std::optional<size_t> but = std::nullopt);
/// Random able seats say something at random moments, about `per_second` times a second.
bool talk(Star& star, mrt::Random& random, Duration time, double per_second);
/// All able seats follow a supernode that is able and is not `gone`.
bool until_taken_over(Star& star, size_t gone, Duration limit);

std::optional<size_t> any_of(mrt::Random& random, const std::vector<size_t>& seats);
/// An able seat of the star, other than `but`.
std::optional<size_t> any_able(Star& star, mrt::Random& random,
                               std::optional<size_t> but = std::nullopt);
mrt::Bytes draw_bytes(mrt::Random& random, size_t size);

}  // namespace node::sim
