// SPDX-License-Identifier: MIT
#include "node/sim/scripts.h"

#include "node/sim/acts.h"

namespace node::sim::scripts {

using namespace std::chrono_literals;

/// Nothing happened for which a supernode would have to be replaced. Not to be expected where a
/// third of all is lost: there several members hear nothing for a while in one of some hundred
/// runs.
static void expect_no_migration(Star& star) {
  if (star.migrations().empty()) return;
  star.checker().report(star.now(), {"a supernode was replaced that was there all the time"});
}

/// Those who live came along: who is taken for lost has to come in again.
static void expect_nobody_lost(Star& star) {
  if (star.wrongly_lost() == 0) return;
  star.checker().report(star.now(), {"one who lives was not gathered with the others"});
}

void story(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 500ms, 40)) return;
  // Slow enough that the file is on its way when the supernode goes.
  LinkSpec slow = star.world().link();
  slow.rate_bytes_per_s = 2'000'000;
  star.change_links(slow);
  star.offer(star.seat_count() - 1, "stars.bin", draw_bytes(random, 1'500'000));
  if (!star.run(500ms)) return;
  star.download(1 % star.seat_count(), "stars.bin");
  if (!talk(star, random, 300ms, 40)) return;
  if (play.kill) {
    star.kill(host_seat);
  } else {
    star.quit(host_seat);
  }
  if (!until_taken_over(star, host_seat, takeover_limit(star))) return;
  talk(star, random, play.duration.value_or(2s), 20);
}

void chat(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (talk(star, random, play.duration.value_or(3s), 100)) expect_no_migration(star);
}

void burst(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  const size_t sender = random.below(star.seat_count());
  for (int i = 0; i < 300; ++i) star.chat(sender, "burst");
  star.chat(random.below(star.seat_count()), std::string(60'000, 'x'));
  for (size_t seat = 0; seat < star.seat_count(); ++seat) star.chat(seat, "after");
  if (star.checker().said_count() != 301 + star.seat_count()) {
    star.checker().report(star.now(), {"somebody refused to say something"});
  }
}

void lossy(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  LinkSpec bad = star.world().link();
  bad.loss = 0.3;
  star.change_links(bad);
  if (!gather(star, random)) return;
  star.offer(1, "stars.bin", draw_bytes(random, 100'000));
  if (!talk(star, random, play.duration.value_or(3s), 20)) return;
  star.download(2, "stars.bin");
  until_settled(star, 60s);
}

void mangled(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  LinkSpec bad = star.world().link();
  bad.duplicate = 0.1;
  bad.reorder = 0.1;
  bad.corrupt = 0.1;
  bad.burst_loss = 0.05;
  star.change_links(bad);
  if (!gather(star, random)) return;
  star.offer(1, "stars.bin", draw_bytes(random, 300'000));
  if (!talk(star, random, play.duration.value_or(3s), 20)) return;
  star.download(2, "stars.bin");
  until_settled(star, 60s);
}

void quit(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  star.quit(host_seat);
  if (!talk(star, random, 200ms, 100)) return;
  if (!until_taken_over(star, host_seat, takeover_limit(star))) return;
  if (talk(star, random, 1s, 50)) expect_nobody_lost(star);
}

void kill(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  star.kill(host_seat);
  if (!talk(star, random, 200ms, 100)) return;
  if (!until_taken_over(star, host_seat, takeover_limit(star))) return;
  if (talk(star, random, 1s, 50)) expect_nobody_lost(star);
}

void freeze(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  star.freeze(host_seat);
  if (!talk(star, random, 200ms, 100)) return;
  if (!until_taken_over(star, host_seat, takeover_limit(star))) return;
  if (!talk(star, random, random.between(0s, 40s), 5)) return;
  star.thaw(host_seat);
  talk(star, random, 1s, 50);
}

void blink(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random) || !star.run(1s)) return;
  for (int i = 0; i < 5; ++i) {
    star.freeze(host_seat);
    if (!talk(star, random, random.between(20ms, 100ms), 50)) return;
    star.thaw(host_seat);
    if (!talk(star, random, 1s, 20)) return;
  }
  if (star.supernode() != host_seat) {
    star.checker().report(star.now(), {"the supernode lost its role for a blink"});
  }
}

void vigil(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  LinkSpec poor = star.world().link();
  poor.loss = 0.05;
  poor.jitter = 200ms;
  star.change_links(poor);
  if (!talk(star, random, play.duration.value_or(1h), 0.2)) return;
  expect_no_migration(star);
  expect_nobody_lost(star);
}

void slow(Star& star, mrt::Random& random, const Play&) {
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  // It lives, hears all and orders; only what it says is late, by about what a silence may last.
  const LinkSpec link = star.world().link();
  LinkSpec late = link;
  late.delay += random.between(250ms, 800ms);
  for (size_t seat = 1; seat < star.seat_count(); ++seat) {
    star.world().change_link(star.host(host_seat), star.host(seat), late);
  }
  if (!talk(star, random, 3s, 50)) return;
  star.change_links(link);
  talk(star, random, 1s, 20);
}

void cut(Star& star, mrt::Random& random, const Play&) {
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  star.divide({host_seat});
  if (!talk(star, random, 100ms, 100)) return;
  if (!until(star, takeover_limit(star), "another supernode is followed by all others", [&] {
        const auto supernode = star.supernode();
        return supernode && *supernode != host_seat;
      })) {
    return;
  }
  if (!talk(star, random, random.between(0s, 40s), 5)) return;
  star.heal();
  talk(star, random, 1s, 50);
}

/// Whom the second seat has as the first to succeed.
static std::optional<size_t> successor_of(Star& star) {
  for (const Peer& peer : star.node(1)->peers()) {
    if (peer.rank == 1) return star.seat_of(peer.node);
  }
  star.checker().report(star.now(), {"no successor is known"});
  return std::nullopt;
}

void deaf(Star& star, mrt::Random& random, const Play&) {
  // One whose only word from the supernode is lost when it listens for that (6.2a) may leave it.
  LinkSpec lossless = star.world().link();
  lossless.loss = 0;
  star.change_links(lossless);
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  const auto successor = successor_of(star);
  if (!successor) return;
  // Two agree that the supernode is gone, and all others hear it.
  star.cut(host_seat, *successor);
  star.cut(host_seat, *successor == 1 ? 2 : 1);
  if (!talk(star, random, 3s, 20)) return;
  if (star.supernode() != host_seat) {
    star.checker().report(star.now(), {"a supernode was left by those who hear it"});
  }
}

void mute(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 2s, 50)) return;
  const auto successor = successor_of(star);
  if (!successor) return;
  star.freeze(*successor);
  // It is silent for longer than it may be, and not yet for so long that it is removed.
  const Duration delay = star.world().link().delay;
  if (!star.run(700ms + 2 * delay)) return;
  const uint64_t heard = star.checker().heard_count();
  star.chat(host_seat, "word");
  if (!star.run(50ms + 2 * delay)) return;
  if (star.checker().heard_count() > heard) {
    star.checker().report(star.now(), {"a place was given while the successor was silent"});
  }
  if (!talk(star, random, 3s, 20)) return;
  star.thaw(*successor);
  talk(star, random, 1s, 20);
}

void two_dead(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  const auto successor = successor_of(star);
  if (!successor) return;
  star.kill(host_seat);
  star.kill(*successor);
  if (!talk(star, random, 200ms, 100)) return;
  if (!until_taken_over(star, host_seat, 2 * takeover_limit(star))) return;
  if (talk(star, random, 1s, 50)) expect_nobody_lost(star);
}

void hand_over(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  for (int i = 0; i < 3; ++i) {
    if (!talk(star, random, 1s, 50)) return;
    const auto before = star.supernode();
    if (!before) {
      star.checker().report(star.now(), {"nobody is the supernode"});
      return;
    }
    star.hand_over(*before);
    if (!until_taken_over(star, *before, takeover_limit(star))) return;
  }
  expect_nobody_lost(star);
}

void restart(Star& star, mrt::Random& random, const Play&) {
  if (!gather(star, random)) return;
  for (int i = 0; i < 4; ++i) {
    if (!talk(star, random, 500ms, 30)) return;
    const auto victim = any_able(star, random);
    if (!victim) return;
    star.kill(*victim);
    // At once, before anybody misses it, or after its death is old news.
    if (!talk(star, random, random.chance(0.5) ? 5ms : 2s, 30)) return;
    if (random.chance(0.5)) star.world().change_port(star.host(*victim));
    const auto via = any_able(star, random);
    if (via) star.join(*victim, *via);
  }
}

void files(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random)) return;
  // Around the 16 KiB block, nothing at all, and some hundred blocks with a tail.
  const size_t sizes[] = {0, 1, 16'384, 16'385, 400'000, 1'500'007};
  int number = 0;
  for (const size_t size : sizes) {
    star.offer(random.below(star.seat_count()), "file" + std::to_string(number++),
               draw_bytes(random, size));
  }
  if (!star.run(2s)) return;
  for (int i = 0; i < 4 * number; ++i) {
    star.download(random.below(star.seat_count()),
                  "file" + std::to_string(random.below(static_cast<uint64_t>(number))));
    if (random.chance(0.3) && !star.run(10ms)) return;
  }
  if (!talk(star, random, 1s, 20)) return;
  expect_no_migration(star);
  // What it offered goes with it.
  star.kill(star.seat_count() - 1);
}

/// A star whose links are so slow that a file takes seconds.
static bool gather_slow(Star& star, mrt::Random& random, uint64_t rate_bytes_per_s) {
  if (!gather(star, random)) return false;
  LinkSpec slow = star.world().link();
  slow.rate_bytes_per_s = rate_bytes_per_s;
  star.change_links(slow);
  return true;
}

void migrating_file(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather_slow(star, random, 1'000'000)) return;
  const size_t holder = 1 + random.below(star.seat_count() - 1);
  star.offer(holder, "stars.bin", draw_bytes(random, 2'000'000));
  if (!star.run(1s)) return;
  for (size_t seat = 1; seat < star.seat_count(); ++seat) {
    if (seat != holder) star.download(seat, "stars.bin");
  }
  if (!talk(star, random, random.between(10ms, 1500ms), 20)) return;
  switch (random.below(3)) {
    case 0:
      star.quit(host_seat);
      break;
    case 1:
      star.kill(host_seat);
      break;
    default:
      star.freeze(host_seat);
      break;
  }
  if (!until_taken_over(star, host_seat, takeover_limit(star))) return;
  talk(star, random, 2s, 20);
}

void resume(Star& star, mrt::Random& random, const Play&) {
  if (!gather_slow(star, random, 1'000'000)) return;
  star.offer(1, "stars.bin", draw_bytes(random, 1'000'000));
  if (!star.run(500ms)) return;
  star.download(2, "stars.bin");
  if (!star.run(random.between(100ms, 1500ms))) return;
  star.kill(2);
  if (!star.run(random.between(0ms, 2s))) return;
  star.join(2, 1);
  if (!until(star, 15s, "the asker has joined again", [&] { return star.is_in_star(2); })) return;
  star.download(2, "stars.bin");
}

void crowd(Star& star, mrt::Random& random, const Play&) {
  star.start_host(host_seat);
  for (size_t seat = 1; seat < star.seat_count(); ++seat) star.join(seat, host_seat);
  if (!until(star, 20s, "everybody has joined", [&] {
        for (size_t seat = 0; seat < star.seat_count(); ++seat) {
          if (!star.is_in_star(seat)) return false;
        }
        return true;
      })) {
    return;
  }
  for (size_t seat = 0; seat < star.seat_count(); ++seat) {
    star.chat(seat, "here");
    if (random.chance(0.2) && !star.run(1ms)) return;
  }
}

void split(Star& star, mrt::Random& random, const Play&) {
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  std::vector<size_t> side;
  for (size_t seat = 0; seat < star.seat_count(); ++seat) {
    if (random.chance(0.5)) side.push_back(seat);
  }
  star.divide(side);
  if (!talk(star, random, random.between(0s, 8s), 20)) return;
  star.heal();
  talk(star, random, 1s, 20);
}

void bequest(Star& star, mrt::Random& random, const Play&) {
  if (!gather(star, random)) return;
  if (!talk(star, random, 1s, 50)) return;
  const size_t half = star.seat_count() / 2;
  std::vector<size_t> side;
  for (size_t seat = half; seat < star.seat_count(); ++seat) side.push_back(seat);
  star.divide(side);
  if (!talk(star, random, 4s, 20)) return;
  // On each side somebody dies who had been heard there: that the other side hears it as well is
  // up to those who heard it.
  star.kill(half - 1);
  star.kill(star.seat_count() - 1);
  if (!talk(star, random, random.between(0s, 4s), 20)) return;
  star.heal();
  talk(star, random, 1s, 20);
}

}  // namespace node::sim::scripts
