// SPDX-License-Identifier: MIT
//
// Every scenario of the simulator, with many seeds. THUBAN_SEEDS says how many (the default
// suits a developer's test run), THUBAN_SEED_FIRST where they begin, THUBAN_SEALED=1 that all
// packets are sealed: else those of one scenario of each kind. A failure prints the command that
// repeats it alone.
#include <doctest/doctest.h>

#include <cstdlib>

#include "node/sim/scenario.h"

using namespace std::chrono_literals;
using namespace node::sim;

static uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

static void check(const Scenario& scenario, const Play& one) {
  const Outcome outcome = play(scenario, one);
  if (!outcome.violation) return;
  FAIL_CHECK("seed " << one.seed << " at " << mrt::to_ms(outcome.violation->at.time_since_epoch())
                     << " ms: " << outcome.violation->what
                     << "\nrepeat with: " << command_for(scenario, one));
}

/// `share`: of the number of seeds, for scenarios that cost more or less than most; `nodes`: not
/// the scenario's own number.
static void swarm(std::string_view name, double share = 1, bool sealed = false, size_t nodes = 0) {
  const Scenario* scenario = find_scenario(name);
  REQUIRE(scenario);
  const uint64_t first = from_environment("THUBAN_SEED_FIRST", 1);
  const double seeds = share * static_cast<double>(from_environment("THUBAN_SEEDS", 20));
  const auto count = std::max<uint64_t>(1, static_cast<uint64_t>(seeds));
  for (uint64_t seed = first; seed < first + count; ++seed) {
    Play one{.seed = seed, .nodes = nodes, .link = {}, .duration = {}};
    one.sealed = sealed || from_environment("THUBAN_SEALED", 0) == 1;
    check(*scenario, one);
  }
}

TEST_CASE("a star joins, chats, shares a file and outlives its supernode") { swarm("story"); }
TEST_CASE("everybody talks at once and all hear the same") { swarm("chat"); }
TEST_CASE("a burst of messages and a long one arrive whole and in order") { swarm("burst"); }
TEST_CASE("30 % loss both ways loses nothing") { swarm("lossy"); }
TEST_CASE("duplicates, reordering, corruption and bursts lose nothing") { swarm("mangled"); }
TEST_CASE("a supernode that quits is followed by its successor") { swarm("quit"); }
TEST_CASE("a supernode that is killed is followed by its successor") { swarm("kill"); }
TEST_CASE("a frozen supernode is replaced, and thaws as a member") { swarm("freeze"); }
TEST_CASE("a supernode frozen for a blink keeps its role") { swarm("blink"); }
TEST_CASE("a supernode that is merely slow is replaced, and follows") { swarm("slow"); }
TEST_CASE("a supernode cut off in silence is replaced, and comes back") { swarm("cut"); }
TEST_CASE("a supernode that two do not hear keeps all others") { swarm("deaf"); }
TEST_CASE("a supernode gives no places while its successor is silent") { swarm("mute"); }
TEST_CASE("supernode and successor dead at once are survived") { swarm("two-dead"); }
TEST_CASE("the role is handed over again and again") { swarm("hand-over"); }
TEST_CASE("nodes that die and come again are members again") { swarm("restart"); }
TEST_CASE("several askers of several files get them all") { swarm("files"); }
TEST_CASE("a download that was broken off is resumed") { swarm("resume"); }
TEST_CASE("a split star becomes one again") { swarm("split"); }
TEST_CASE("a star behind NATs outlives its supernode, and nobody is lost") { swarm("nat", 2); }
TEST_CASE("what the dead had said on one side is heard on the other") { swarm("bequest"); }
TEST_CASE("in a throng all costs grow with the members and not with their square") {
  swarm("throng", 0.05, false, 100);
}
TEST_CASE("a wide star's supernode that is killed is followed by its successor") {
  swarm("wide", 0.1, false, 60);
}
TEST_CASE("sealed, a story ends as it does in plain") { swarm("story", 0.25, true); }
TEST_CASE("sealed, what links do to packets loses nothing") { swarm("mangled", 0.25, true); }
TEST_CASE("sealed, a download goes on through a migration") { swarm("migrating-file", 0.25, true); }
TEST_CASE("sealed, a split star becomes one again") { swarm("split", 0.25, true); }

// A CTest of its own, beside the others on another core: these take half of the time.
TEST_SUITE_BEGIN("dear");

TEST_CASE("load and faults drawn from the seed break no rule") { swarm("storm", 2); }
TEST_CASE("nor do they where the network falls apart as well") { swarm("tempest", 1); }
TEST_CASE("nor where the number of nodes is drawn too") { swarm("hurricane", 0.2); }
TEST_CASE("nor do drawn runs in which a rule was missing once") {
  struct Drawn {
    const char* scenario;
    std::initializer_list<uint64_t> seeds;
  };
  for (const Drawn& drawn :
       {Drawn{"storm", {722, 2284, 4277, 4375, 5588, 21721, 35256}},
        Drawn{"tempest", {198, 652, 701, 25364, 33614, 35769}}, Drawn{"mangled", {359}}}) {
    const Scenario* scenario = find_scenario(drawn.scenario);
    REQUIRE(scenario);
    for (const uint64_t seed : drawn.seeds) {
      check(*scenario, {.seed = seed, .nodes = 0, .link = {}, .duration = {}});
    }
  }
}
TEST_CASE("an hour of loss and jitter replaces nobody") { swarm("vigil", 0.05); }
TEST_CASE("a download goes on through a migration") { swarm("migrating-file"); }
TEST_CASE("two hundred nodes join and chat") { swarm("crowd", 0.05); }
TEST_CASE("eighty nodes that come at once are in within a second") { swarm("rush"); }
TEST_CASE("a node that was away for longer than is kept is told so") { swarm("backlog", 0.25); }

TEST_SUITE_END();

TEST_CASE("a run repeats to the last digit, and another seed is another run") {
  for (const std::string_view name : {"story", "split"}) {
    const Scenario* scenario = find_scenario(name);
    const auto digest = [&](uint64_t seed) {
      return play(*scenario, {.seed = seed, .nodes = 0, .link = {}, .duration = 3s}).digest;
    };
    CHECK(digest(11) == digest(11));
    CHECK(digest(11) != digest(12));
  }
}
