// SPDX-License-Identifier: MIT
//
// Load and faults drawn from the seed. One draw decides what happens next; what it needs and
// cannot have (a member to kill when only two are left) is skipped.
#include "node/sim/acts.h"
#include "node/sim/scripts.h"

namespace node::sim::scripts {

using namespace std::chrono_literals;

namespace {

/// What may happen beside load, ends, freezes and bad links.
struct Climate {
  bool partitions;
  bool rarities;     // restarts without state, slow disks, stars apart, 40 % loss
  size_t spare_min;  // so many must stay that there is a star to talk about
};

/// One run of drawn deeds.
class Weather {
 public:
  Weather(Star& star, mrt::Random& random, const Climate& climate)
      : star_(star), random_(random), climate_(climate), base_(star.world().link()) {}

  void deed();

 private:
  void say();
  void share();
  void fetch();
  void end_somebody();
  void freeze_somebody();
  void start_somebody();
  void change_links();
  void divide();
  void rarity();
  void restart_somebody();
  void found_another_star();
  bool can_spare();
  std::optional<size_t> somebody();

  Star& star_;
  mrt::Random& random_;
  Climate climate_;
  LinkSpec base_;
  std::vector<std::string> files_;
};

void Weather::deed() {
  if (climate_.rarities && random_.chance(0.08)) return rarity();
  const uint64_t draw = random_.below(100);
  if (draw < 62) return say();
  if (draw < 66) return share();
  if (draw < 74) return fetch();
  if (draw < 79) return end_somebody();
  if (draw < 84) return freeze_somebody();
  if (draw < 92) return start_somebody();
  if (draw < 94) {
    if (const auto supernode = star_.supernode()) star_.hand_over(*supernode);
    return;
  }
  if (draw < 97) return change_links();
  if (climate_.partitions) divide();
}

bool Weather::can_spare() {
  std::vector<size_t> seats = star_.able_seats();
  // Where few must stay, those few are in a star that others can come into.
  if (climate_.rarities) std::erase_if(seats, [this](size_t s) { return !star_.is_in_star(s); });
  return seats.size() > climate_.spare_min;
}

std::optional<size_t> Weather::somebody() {
  // The supernode more often than its share: that is where it hurts.
  const auto supernode = star_.supernode();
  if (supernode && random_.chance(0.4)) return supernode;
  return any_able(star_, random_);
}

void Weather::say() {
  if (const auto seat = any_able(star_, random_)) {
    star_.chat(*seat, std::string(random_.chance(0.02) ? 20'000 : 4, 'w'));
  }
}

void Weather::share() {
  const auto seat = any_able(star_, random_);
  if (!seat) return;
  files_.push_back("file" + std::to_string(files_.size()));
  star_.offer(*seat, files_.back(), draw_bytes(random_, random_.below(200'000)));
}

void Weather::fetch() {
  const auto seat = any_able(star_, random_);
  if (seat && !files_.empty()) star_.download(*seat, files_[random_.below(files_.size())]);
}

void Weather::end_somebody() {
  const auto seat = somebody();
  if (!seat || !can_spare()) return;
  if (random_.chance(0.4)) {
    star_.quit(*seat);
  } else {
    star_.kill(*seat);
  }
}

void Weather::freeze_somebody() {
  const auto seat = somebody();
  if (!seat || !can_spare()) return;
  star_.freeze(*seat);
  const Duration time =
      random_.chance(0.5) ? random_.between(10ms, 400ms) : random_.between(0s, 6s);
  star_.world().at(star_.now() + time, [&star = star_, seat] { star.thaw(*seat); });
}

void Weather::start_somebody() {
  std::vector<size_t> off;
  for (size_t seat = 0; seat < star_.seat_count(); ++seat) {
    if (!star_.node(seat)) off.push_back(seat);
  }
  const auto seat = any_of(random_, off);
  const auto via = any_able(star_, random_);
  if (!seat || !via) return;
  if (random_.chance(0.3)) star_.world().change_port(star_.host(*seat));
  star_.join(*seat, *via);
}

void Weather::change_links() {
  LinkSpec link = base_;
  if (random_.chance(0.7)) {
    link.loss = 0.15 * random_.unit();
    link.duplicate = 0.05 * random_.unit();
    link.reorder = 0.05 * random_.unit();
    link.corrupt = 0.05 * random_.unit();
    link.jitter += random_.between(0ms, 20ms);
  }
  star_.change_links(link);
}

void Weather::divide() {
  if (random_.chance(0.5)) {
    star_.heal();
  } else if (random_.chance(0.3)) {
    // One direction only.
    star_.cut(random_.below(star_.seat_count()), random_.below(star_.seat_count()));
  } else {
    std::vector<size_t> side;
    for (size_t seat = 0; seat < star_.seat_count(); ++seat) {
      if (random_.chance(0.4)) side.push_back(seat);
    }
    star_.divide(side);
  }
}

void Weather::rarity() {
  switch (random_.below(6)) {
    case 0:
    case 1:
      return restart_somebody();
    case 2:
      return found_another_star();
    case 3: {
      LinkSpec link = base_;
      link.loss = 0.4 * random_.unit();
      return star_.change_links(link);
    }
    case 4: {
      const auto seat = any_able(star_, random_);
      if (seat && !files_.empty()) star_.withdraw(*seat, files_[random_.below(files_.size())]);
      return;
    }
    default:
      if (const auto seat = any_able(star_, random_)) {
        star_.slow_disk(*seat, random_.between(1ms, 500ms), 1e5);
      }
  }
}

/// At once, so that others still count on its life before.
void Weather::restart_somebody() {
  const auto seat = somebody();
  if (!seat || !can_spare()) return;
  star_.kill(*seat);
  if (random_.chance(0.5)) star_.wipe(*seat);
  const auto via = any_able(star_, random_);
  if (via) star_.join(*seat, *via);
}

/// Somebody hosts a star of its own, and calls the other one later.
void Weather::found_another_star() {
  for (size_t seat = 0; seat < star_.seat_count(); ++seat) {
    if (star_.node(seat)) continue;
    const auto via = any_able(star_, random_);
    if (!via || !star_.start_host(seat)) return;
    star_.world().at(star_.now() + random_.between(0ms, 3s),
                     [&star = star_, seat, via] { star.join(seat, *via); });
    return;
  }
}

void rage(Star& star, mrt::Random& random, const Play& play, const Climate& climate) {
  if (!gather(star, random)) return;
  Weather weather(star, random, climate);
  const Instant end = star.now() + play.duration.value_or(10s);
  while (star.now() < end) {
    if (!star.run(random.between(0ms, 100ms))) return;
    weather.deed();
  }
}

}  // namespace

void storm(Star& star, mrt::Random& random, const Play& play) {
  rage(star, random, play, {.partitions = false, .rarities = false, .spare_min = 3});
}

void tempest(Star& star, mrt::Random& random, const Play& play) {
  rage(star, random, play, {.partitions = true, .rarities = false, .spare_min = 3});
}

void hurricane(Star& star, mrt::Random& random, const Play& play) {
  rage(star, random, play, {.partitions = true, .rarities = true, .spare_min = 1});
}

}  // namespace node::sim::scripts
