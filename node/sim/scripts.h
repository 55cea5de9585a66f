// SPDX-License-Identifier: MIT
//
// The scripts behind the scenarios (scenario.h has the list). Each gathers a star on its
// seats, puts load and faults on it, and returns at the first violation. Expectations that
// are not rules for every run (how fast a migration must be) are reported to the checker too,
// so that a broken one is repeated by the same command.
#pragma once

#include "node/sim/scenario.h"

namespace node::sim::scripts {

/// What the supernode is when the star is gathered: nobody else can be one yet.
inline constexpr size_t host_seat = 0;

void story(Star& star, mrt::Random& random, const Play& play);
void chat(Star& star, mrt::Random& random, const Play& play);
void burst(Star& star, mrt::Random& random, const Play& play);
void lossy(Star& star, mrt::Random& random, const Play& play);
void mangled(Star& star, mrt::Random& random, const Play& play);
void quit(Star& star, mrt::Random& random, const Play& play);
void kill(Star& star, mrt::Random& random, const Play& play);
void freeze(Star& star, mrt::Random& random, const Play& play);
void blink(Star& star, mrt::Random& random, const Play& play);
void vigil(Star& star, mrt::Random& random, const Play& play);
void slow(Star& star, mrt::Random& random, const Play& play);
void cut(Star& star, mrt::Random& random, const Play& play);
void deaf(Star& star, mrt::Random& random, const Play& play);
void mute(Star& star, mrt::Random& random, const Play& play);
void two_dead(Star& star, mrt::Random& random, const Play& play);
void hand_over(Star& star, mrt::Random& random, const Play& play);
void restart(Star& star, mrt::Random& random, const Play& play);
void files(Star& star, mrt::Random& random, const Play& play);
void migrating_file(Star& star, mrt::Random& random, const Play& play);
void resume(Star& star, mrt::Random& random, const Play& play);
void crowd(Star& star, mrt::Random& random, const Play& play);
void rush(Star& star, mrt::Random& random, const Play& play);
void throng(Star& star, mrt::Random& random, const Play& play);
void wide(Star& star, mrt::Random& random, const Play& play);
void backlog(Star& star, mrt::Random& random, const Play& play);
void bequest(Star& star, mrt::Random& random, const Play& play);
void nat(Star& star, mrt::Random& random, const Play& play);
void split(Star& star, mrt::Random& random, const Play& play);
void storm(Star& star, mrt::Random& random, const Play& play);
void tempest(Star& star, mrt::Random& random, const Play& play);
void hurricane(Star& star, mrt::Random& random, const Play& play);

}  // namespace node::sim::scripts
