// SPDX-License-Identifier: MIT
#include "node/sim/acts.h"

#include <algorithm>

namespace node::sim {

using namespace std::chrono_literals;

Duration takeover_limit(Star& star) { return 2s + 20 * star.world().link().delay; }

bool until(Star& star, Duration limit, const std::string& what, const std::function<bool()>& done) {
  const Instant end = star.now() + limit;
  while (!done()) {
    if (star.now() >= end) {
      star.checker().report(star.now(), {"did not happen in time: " + what});
    }
    if (!star.run(5ms)) return false;
  }
  return true;
}

bool until_settled(Star& star, Duration limit) {
  std::optional<Finding> missing;
  const Instant end = star.now() + limit;
  while ((missing = star.unsettled())) {
    if (star.now() >= end) {
      missing->what = "not settled in time: " + missing->what;
      star.checker().report(star.now(), *missing);
    }
    if (!star.run(50ms)) return false;
  }
  return true;
}

bool gather(Star& star, mrt::Random& random, std::optional<size_t> but) {
  star.start_host(0);
  for (size_t seat = 1; seat < star.seat_count(); ++seat) {
    star.join(seat, *any_able(star, random, but));
    if (!star.run(random.between(0ms, 20ms))) return false;
  }
  return until(star, 20s, "everybody has joined", [&] {
    for (size_t seat = 0; seat < star.seat_count(); ++seat) {
      if (!star.is_in_star(seat)) return false;
    }
    return true;
  });
}

bool talk(Star& star, mrt::Random& random, Duration time, double per_second) {
  const Instant end = star.now() + time;
  const Duration mean(static_cast<int64_t>(1e9 / per_second));
  while (star.now() < end) {
    if (!star.run(random.between(0ms, 2 * mean))) return false;
    if (const auto seat = any_able(star, random)) star.chat(*seat, "word");
  }
  return true;
}

bool until_taken_over(Star& star, size_t gone, Duration limit) {
  return until(star, limit, "another supernode is followed by all", [&] {
    const auto supernode = star.supernode();
    if (!supernode || *supernode == gone) return false;
    for (const size_t seat : star.able_seats()) {
      if (star.is_in_star(seat) && star.node(seat)->supernode() != star.id(*supernode)) {
        return false;
      }
    }
    return star.node(*supernode)->role() == Role::supernode;
  });
}

std::optional<size_t> any_of(mrt::Random& random, const std::vector<size_t>& seats) {
  if (seats.empty()) return std::nullopt;
  return seats[random.below(seats.size())];
}

std::optional<size_t> any_able(Star& star, mrt::Random& random, std::optional<size_t> but) {
  std::vector<size_t> seats = star.able_seats();
  std::erase_if(seats, [&](size_t seat) { return seat == but || !star.is_in_star(seat); });
  return any_of(random, seats);
}

mrt::Bytes draw_bytes(mrt::Random& random, size_t size) {
  mrt::Bytes bytes(size);
  random.fill(bytes);
  return bytes;
}

}  // namespace node::sim
