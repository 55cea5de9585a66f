// SPDX-License-Identifier: MIT
//
// What people in a chat notice of a hand-over: nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <string>

#include "mrt/base/random.h"
#include "node/sim/acts.h"

using namespace std::chrono_literals;
using namespace node::sim;

namespace {

constexpr Duration way = 10ms;
constexpr double per_second = 250;

/// How long it took until each heard what was said, the longest first time of all.
class Delays {
 public:
  explicit Delays(Star& star) : star_(star) {
    star.watch(
        [this](size_t, const node::Event& event) {
          const auto* chat = std::get_if<node::ChatDelivered>(&event);
          const auto said = chat && !chat->history ? said_.find(chat->text) : said_.end();
          if (said != said_.end()) worst_ = std::max(worst_, star_.now() - said->second);
        },
        [this](const Deed& deed) {
          if (deed.kind == Deed::Kind::says) said_[deed.text] = star_.now();
        });
  }
  /// Of what is said from now on.
  void begin() {
    said_.clear();
    worst_ = {};
  }
  Duration worst() const { return worst_; }

 private:
  Star& star_;
  std::map<std::string, Instant> said_;
  Duration worst_{};
};

}  // namespace

TEST_CASE("a hand-over under load delays no chat by more than a round trip more than usual") {
  StarConfig config;
  config.world.seed = 11;
  config.world.link.delay = way;
  Star star(config);
  mrt::Random random(mrt::seed_from(11));
  for (size_t seat = 0; seat < 16; ++seat) star.add_seat();
  REQUIRE(gather(star, random));
  Delays delays(star);
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    delays.begin();
    REQUIRE(talk(star, random, 2s, per_second));
    REQUIRE(star.run(200ms));
    const Duration usual = delays.worst();
    REQUIRE(usual >= 2 * way);
    delays.begin();
    REQUIRE(talk(star, random, 100ms, per_second));
    const size_t before = star.supernode().value();
    REQUIRE(star.hand_over(before));
    REQUIRE(talk(star, random, 500ms, per_second));
    REQUIRE(star.run(500ms));
    CHECK(star.supernode() != before);
    CHECK(mrt::to_ms(delays.worst()) <= mrt::to_ms(usual + 2 * way));
  }
}
