// SPDX-License-Identifier: MIT
//
// Named scripts for a star: who joins, says, offers and fetches what, and what goes wrong
// meanwhile. The swarm tests run each by the hundred seeds, `thuban sim` runs one and tells
// it. A script and a seed say all: command_for() prints the line that repeats a run.
//
// Each run has two phases: under load and faults the checker's rules hold at every event;
// then the faults end and all must come to rest within the scenario's limit.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "node/sim/star.h"

namespace node::sim {

struct Play {
  uint64_t seed = 1;
  size_t nodes = 0;                  // 0: the scenario's own number
  std::optional<LinkSpec> link;      // else drawn from the seed: loopback, LAN or Internet
  std::optional<Duration> duration;  // of the phase under faults, where it has no end of its own
  bool kill = false;                 // where the supernode goes: killed instead of leaving
  bool sealed = false;
};

struct Scenario {
  std::string_view name;
  std::string_view what;
  size_t nodes;  // 0: drawn from the seed, 2 to 200
  size_t nodes_min;
  Duration settle_limit;  // virtual time from the end of all faults to rest
  void (*script)(Star& star, mrt::Random& random, const Play& play);
};

struct Outcome {
  std::optional<Violation> violation;
  Duration settled_after{};
  Instant end;
  uint64_t digest = 0;
  size_t said = 0;
  uint64_t heard = 0;
  uint64_t received = 0;
  std::vector<Duration> chat_delays;  // sorted
  std::vector<MigrationSeen> migrations;
  std::vector<Figure> figures;
  WorldCounters world;
  LinkCounters links;
};

const std::vector<Scenario>& scenarios();
const Scenario* find_scenario(std::string_view name);
/// How many there are in that run.
size_t node_count(const Scenario& scenario, const Play& play);

/// `prepare` may watch the star before anything happens.
Outcome play(const Scenario& scenario, const Play& play,
             const std::function<void(Star&)>& prepare = {});

/// "thuban sim --scenario storm --nodes 7 --seed 42"
std::string command_for(const Scenario& scenario, const Play& play);

}  // namespace node::sim
