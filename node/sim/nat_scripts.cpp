// SPDX-License-Identifier: MIT
//
// A star whose nodes are behind NATs: what those do is drawn from the seed, within what lets each
// pair of nodes come together once somebody introduces them.
#include "node/sim/acts.h"
#include "node/sim/scripts.h"

namespace node::sim::scripts {

using namespace std::chrono_literals;

namespace {

NatSpec draw_nat(mrt::Random& random, bool loose) {
  NatSpec spec;
  const uint64_t filter = random.below(loose ? 2 : 6);
  spec.filtering = filter == 0   ? Depends::on_nothing
                   : filter == 1 ? Depends::on_address
                                 : Depends::on_address_and_port;
  spec.keeps_ports = random.chance(0.7);
  spec.hairpins = random.chance(0.5);
  const Duration timeouts[] = {20s, 60s, 120s};
  spec.timeout = timeouts[random.below(3)];
  return spec;
}

/// Each seat behind a gateway of its own, or behind the one of the seat before, or behind none. The
/// seat, if any, that is seen by another port from everywhere: nobody knows ahead by which, so in
/// such a run all others let in whom they spoke to from any port.
std::optional<size_t> settle_down(Star& star, mrt::Random& random) {
  const bool loose = random.chance(0.3);
  const size_t symmetric = 1 + random.below(star.seat_count() - 1);
  std::optional<HostId> last;
  // Those behind one gateway differ in their ports, as where each takes one that is free.
  for (size_t seat = 0; seat < star.seat_count(); ++seat) {
    for (size_t i = 0; i < seat; ++i) star.world().change_port(star.host(seat));
  }
  for (size_t seat = 0; seat < star.seat_count(); ++seat) {
    const uint64_t place = random.below(10);
    NatSpec spec = draw_nat(random, loose);
    if (loose && seat == symmetric) {
      spec.mapping = random.chance(0.5) ? Depends::on_address : Depends::on_address_and_port;
      spec.filtering = Depends::on_address_and_port;
      star.put_behind(seat, star.world().add_gateway(spec));
    } else if (place < 2 && last) {
      star.put_behind(seat, *last);
    } else if (place < 9) {
      const HostId own = star.world().add_gateway(spec);
      star.put_behind(seat, own);
      // Where a supernode is behind the same gateway, it sees no outer address: that can be guessed
      // only where ports are kept.
      if (spec.keeps_ports) last = own;
    }
  }
  return loose ? std::optional(symmetric) : std::nullopt;
}

/// A member's gateway forgets everything: one whose host keeps its port by that, or one whose
/// supernode lets it in at another one.
void reboot_somebody(Star& star, mrt::Random& random, std::optional<size_t> symmetric) {
  const auto seat = any_able(star, random, star.supernode());
  if (!seat) return;
  const auto& gateway = star.world().gateway(star.host(*seat));
  if (!gateway) return;
  size_t inside = 0;
  for (size_t other = 0; other < star.seat_count(); ++other) {
    inside += star.world().gateway(star.host(other)) == gateway ? 1 : 0;
  }
  const bool loose = symmetric && star.supernode() != symmetric;
  if (loose || (star.world().nat(*gateway).keeps_ports && inside == 1)) star.reboot_gateway(*seat);
}

/// What NATs may add: an introduction on the way to a new successor.
Duration limit(Star& star) { return takeover_limit(star) + 2 * star.world().link().delay; }

/// The supernode goes, in one of the ways there are, and nobody who lives is lost by that.
bool lead_ends(Star& star, mrt::Random& random) {
  const auto leader = star.supernode();
  if (!leader) {
    star.checker().report(star.now(), {"nobody is the supernode"});
    return false;
  }
  const uint64_t lost = star.wrongly_lost();
  switch (random.below(4)) {
    case 0:
      star.quit(*leader);
      break;
    case 1:
      star.hand_over(*leader);
      break;
    default:
      star.kill(*leader);
      break;
  }
  if (!until_taken_over(star, *leader, limit(star))) return false;
  if (!talk(star, random, 3s, 20)) return false;
  if (star.wrongly_lost() > lost) {
    star.checker().report(star.now(), {"one who lives was not gathered with the others"});
  }
  return !star.checker().violation();
}

}  // namespace

void nat(Star& star, mrt::Random& random, const Play&) {
  star.checker().expect_one_line();
  const auto symmetric = settle_down(star, random);
  if (!gather(star, random, symmetric)) return;
  if (!talk(star, random, 3s, 20)) return;
  // Longer than the shortest mapping lasts, and hardly anything is said.
  if (random.chance(0.3) && !talk(star, random, random.between(30s, 60s), 0.2)) return;
  if (!lead_ends(star, random)) return;
  if (random.chance(0.5)) reboot_somebody(star, random, symmetric);
  if (!talk(star, random, 3s, 20)) return;
  lead_ends(star, random);
}

}  // namespace node::sim::scripts
