// SPDX-License-Identifier: MIT
#include "node/sim/scenario.h"

#include <algorithm>

#include "node/sim/scripts.h"

namespace node::sim {

using namespace std::chrono_literals;

const std::vector<Scenario>& scenarios() {
  static const std::vector<Scenario> all = {
      {"story", "join, chat, a file, the supernode goes, a migration, the end", 5, 3, 15s,
       scripts::story},
      {"chat", "everybody talks at once", 8, 2, 15s, scripts::chat},
      {"burst", "300 messages at once, and one of 60,000 characters", 4, 2, 30s, scripts::burst},
      {"lossy", "chat and a file while 30 % is lost both ways", 5, 3, 60s, scripts::lossy},
      {"mangled", "chat and a file over links that duplicate, reorder and corrupt", 5, 3, 60s,
       scripts::mangled},
      {"quit", "the supernode leaves", 6, 2, 15s, scripts::quit},
      {"kill", "the supernode is killed", 6, 2, 15s, scripts::kill},
      {"freeze", "the supernode is frozen, and thaws as a member", 6, 3, 30s, scripts::freeze},
      {"blink", "the supernode is frozen for a moment only", 6, 2, 15s, scripts::blink},
      {"vigil", "an hour of 5 % loss and 200 ms jitter, and nobody is taken for dead", 8, 2, 30s,
       scripts::vigil},
      {"slow", "all that the supernode says comes too late", 6, 3, 30s, scripts::slow},
      {"cut", "the supernode is cut off in silence, and comes back", 6, 3, 30s, scripts::cut},
      {"deaf", "two do not hear the supernode, and all others do", 6, 5, 30s, scripts::deaf},
      {"mute", "the first successor is frozen for longer than it may be silent", 6, 3, 30s,
       scripts::mute},
      {"two-dead", "supernode and successor die at once", 7, 3, 20s, scripts::two_dead},
      {"hand-over", "the supernode gives its role away, and again", 6, 2, 15s, scripts::hand_over},
      {"restart", "nodes die and come again", 6, 3, 20s, scripts::restart},
      {"files", "several files, several askers", 6, 2, 30s, scripts::files},
      {"migrating-file", "a download goes on through a migration", 6, 3, 30s,
       scripts::migrating_file},
      {"resume", "an asker dies in the middle and asks again", 4, 3, 30s, scripts::resume},
      {"crowd", "all join at once, and each says one thing", 200, 2, 30s, scripts::crowd},
      {"rush", "all join at once, within a second", 80, 2, 15s, scripts::rush},
      {"throng", "a thousand join within a second, and no roster storm", 1'000, 20, 60s,
       scripts::throng},
      {"wide", "the supernode is killed, 100 ms and 2 % loss away from all", 200, 3, 60s,
       scripts::wide},
      {"backlog", "a node is away for more messages than are kept", 4, 3, 60s, scripts::backlog},
      {"split", "the network falls into two parts and heals", 7, 3, 60s, scripts::split},
      {"bequest", "the network falls into two parts, and in each one who spoke dies", 8, 6, 60s,
       scripts::bequest},
      {"nat", "all are behind NATs of drawn kinds, and the supernode goes, twice", 7, 4, 60s,
       scripts::nat},
      {"storm", "seed-drawn load and faults, but no partition", 7, 4, 60s, scripts::storm},
      {"tempest", "seed-drawn load and faults of every kind", 7, 4, 90s, scripts::tempest},
      {"hurricane", "the number of nodes is drawn as well, and restarts, slow disks, 40 % loss", 0,
       2, 120s, scripts::hurricane},
  };
  return all;
}

const Scenario* find_scenario(std::string_view name) {
  for (const Scenario& scenario : scenarios()) {
    if (scenario.name == name) return &scenario;
  }
  return nullptr;
}

size_t node_count(const Scenario& scenario, const Play& play) {
  if (play.nodes != 0) return play.nodes;
  if (scenario.nodes != 0) return scenario.nodes;
  // A source of its own: what else is drawn is the same for whoever gives the number.
  mrt::Random random(mrt::seed_from(~play.seed));
  // Small stars have most of what can happen, and cost a hundredth.
  const uint64_t size = random.below(100);
  if (size < 60) return 2 + random.below(7);
  if (size < 90) return 9 + random.below(22);
  if (size < 99) return 31 + random.below(50);
  return 81 + random.below(120);
}

/// One of the three networks that the contract's users have.
static LinkSpec draw_link(mrt::Random& random) {
  LinkSpec link;
  switch (random.below(3)) {
    case 0:  // loopback
      link.delay = 20us;
      break;
    case 1:  // a LAN
      link.delay = 300us;
      link.jitter = 200us;
      break;
    default:  // the Internet
      link.delay = random.between(5ms, 60ms);
      link.jitter = 5ms;
      link.loss = 0.005;
      link.rate_bytes_per_s = 10'000'000;
      break;
  }
  return link;
}

Outcome play(const Scenario& scenario, const Play& play,
             const std::function<void(Star&)>& prepare) {
  mrt::Random random(mrt::seed_from(play.seed));
  StarConfig config;
  config.world.seed = random.u64();
  config.world.joins_on_arrival = random.chance(0.5);
  const LinkSpec drawn = draw_link(random);
  config.world.link = play.link.value_or(drawn);
  config.sealed = play.sealed;
  Play whole = play;
  whole.nodes = node_count(scenario, play);

  Star star(config);
  for (size_t i = 0; i < whole.nodes; ++i) star.add_seat();
  if (prepare) prepare(star);
  scenario.script(star, random, whole);
  const auto settled = star.settle(scenario.settle_limit);

  Outcome outcome;
  outcome.violation = star.checker().violation();
  outcome.settled_after = settled.value_or(Duration{});
  outcome.end = star.now();
  outcome.digest = star.world().digest();
  outcome.said = star.checker().said_count();
  outcome.heard = star.checker().heard_count();
  outcome.received = star.received_count();
  outcome.chat_delays = star.checker().delays();
  std::sort(outcome.chat_delays.begin(), outcome.chat_delays.end());
  outcome.migrations = star.migrations();
  outcome.figures = star.figures();
  outcome.world = star.world().counters();
  outcome.links = star.world().link_counters();
  return outcome;
}

std::string command_for(const Scenario& scenario, const Play& play) {
  std::string line = "thuban sim --scenario " + std::string(scenario.name) + " --nodes " +
                     std::to_string(node_count(scenario, play)) + " --seed " +
                     std::to_string(play.seed);
  if (play.link) {
    line += " --loss " + std::to_string(play.link->loss) + " --delay " +
            std::to_string(mrt::to_ms(play.link->delay)) + "ms";
  }
  if (play.duration) line += " --duration " + std::to_string(mrt::to_ms(*play.duration)) + "ms";
  if (play.kill) line += " --kill";
  if (play.sealed) line += " --sealed";
  return line;
}

}  // namespace node::sim
