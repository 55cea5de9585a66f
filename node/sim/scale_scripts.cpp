// SPDX-License-Identifier: MIT
//
// Scripts about how much: many nodes at once, wide networks, long absence. What they measure is
// noted as figures, each with a limit that is a rule like any other.
#include <algorithm>

#include "node/order.h"
#include "node/sim/acts.h"
#include "node/sim/scripts.h"

namespace node::sim::scripts {

using namespace std::chrono_literals;

static bool until_all_joined(Star& star, Duration limit) {
  return until(star, limit, "everybody has joined", [&] {
    for (size_t seat = 0; seat < star.seat_count(); ++seat) {
      if (!star.is_in_star(seat)) return false;
    }
    return true;
  });
}

/// A figure above its limit is a violation.
static void note(Star& star, const Figure& figure, double limit) {
  star.note(figure);
  if (figure.value <= limit) return;
  star.checker().report(star.now(),
                        {std::string(figure.name) + ": " + std::to_string(figure.value) + ' ' +
                         std::string(figure.unit) + ", not at most " + std::to_string(limit)});
}

void rush(Star& star, mrt::Random&, const Play&) {
  star.checker().expect_one_line();
  star.start_host(host_seat);
  for (size_t seat = 1; seat < star.seat_count(); ++seat) star.join(seat, host_seat);
  const Instant begin = star.now();
  // Eight round trips to come in, where they are what it takes.
  if (!until_all_joined(star, 1s + 16 * star.world().link().delay)) return;
  star.note({"all have joined", 1e3 * mrt::to_seconds(star.now() - begin), "ms"});
}

namespace {

/// What the world has carried since it began.
struct Meter {
  explicit Meter(Star& star) : star_(star), before_(star.world().counters()) {}
  double bytes() const {
    return static_cast<double>(star_.world().counters().bytes_sent - before_.bytes_sent);
  }
  double datagrams() const {
    return static_cast<double>(star_.world().counters().datagrams_sent - before_.datagrams_sent);
  }

  Star& star_;
  WorldCounters before_;
};

}  // namespace

/// Bytes that one of so many messages in a second costs each member, keep-alives and all.
static std::optional<double> message_cost(Star& star, int count) {
  if (!star.run(2s)) return std::nullopt;
  const Meter busy(star);
  for (int i = 0; i < count; ++i) {
    star.chat(host_seat, "a word or two");
    if (!star.run(1s / count)) return std::nullopt;
  }
  const auto members = static_cast<double>(star.seat_count());
  return busy.bytes() / members / count;
}

void throng(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  star.start_host(host_seat);
  for (size_t seat = 1; seat < star.seat_count(); ++seat) {
    star.world().at(star.now() + random.between(0s, 1s),
                    [&star, seat] { star.join(seat, host_seat); });
  }
  const Meter coming(star);
  if (!until_all_joined(star, 20s) || !star.run(2s)) return;
  const auto members = static_cast<double>(star.seat_count());
  // Everybody's entry comes to everybody once, in the whole list or as a change: some 90 bytes,
  // and its rank may change a few times. The whole list to all at each change would be 50 times
  // as much.
  note(star,
       {"for each that came, and each of those that were there", coming.bytes() / members / members,
        "B"},
       400 + 20'000 / members);
  note(star, {"for each that came", coming.datagrams() / members, "datagrams"}, 400);
  if (const auto cost = message_cost(star, 100)) {
    note(star, {"a message, for each member", *cost, "B"}, 300);
  }
}

void wide(Star& star, mrt::Random& random, const Play& play) {
  star.checker().expect_one_line();
  if (!play.link) {
    LinkSpec far;
    far.delay = 50ms;
    far.loss = 0.02;
    star.change_links(far);
  }
  if (!gather(star, random) || !star.run(3s)) return;
  if (!talk(star, random, 1s, 20)) return;
  star.kill(host_seat);
  const Instant killed = star.now();
  if (!until_taken_over(star, host_seat, 4s) || !star.run(500ms)) return;
  Instant half{}, all{};
  std::vector<Instant> back;
  for (const MigrationSeen& seen : star.migrations()) {
    if (seen.at > killed) back.push_back(seen.at);
  }
  std::sort(back.begin(), back.end());
  if (back.empty()) return;
  half = back[back.size() / 2];
  all = back.back();
  star.note({"half at work after the kill", 1e3 * mrt::to_seconds(half - killed), "ms"});
  note(star, {"all at work after the kill", 1e3 * mrt::to_seconds(all - killed), "ms"}, 4'000);
}

void backlog(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  if (!gather(star, random) || !talk(star, random, 1s, 20)) return;
  const auto before = message_cost(star, 100);
  const size_t away = star.seat_count() - 1;
  star.freeze(away);
  // More than is kept for those who are away, and than their socket takes meanwhile.
  for (size_t said = 0; said < tail_messages_max + 2'000; said += 100) {
    for (int i = 0; i < 100; ++i) star.chat(host_seat, "word");
    if (!star.run(50ms)) return;
  }
  star.thaw(away);
  if (!star.run(3s)) return;
  const auto after = message_cost(star, 100);
  if (!before || !after) return;
  star.note({"a message at first, for each member", *before, "B"});
  note(star, {"a message after 10,000 others", *after, "B"}, 1.2 * *before);
}

}  // namespace node::sim::scripts
