// SPDX-License-Identifier: MIT
//
// What a script does to the world around the nodes: freezing, cutting, slow links and disks. Each
// deed is told to whoever watches.
#include "node/sim/describe.h"
#include "node/sim/star.h"

namespace node::sim {

void Star::kill(size_t seat) {
  if (!node(seat)) return;
  tell({Deed::Kind::killed, {seat}, nick(seat) + " is killed"});
  end(seat);
}

void Star::freeze(size_t seat) {
  tell({Deed::Kind::frozen, {seat}, nick(seat) + " is frozen"});
  world_.freeze(host(seat));
}

void Star::thaw(size_t seat) {
  if (!world_.is_frozen(host(seat))) return;
  tell({Deed::Kind::thaws, {seat}, nick(seat) + " thaws"});
  world_.thaw(host(seat));
}

void Star::divide(const std::vector<size_t>& seats) {
  std::vector<HostId> side;
  std::string names;
  for (const size_t seat : seats) {
    side.push_back(host(seat));
    names += ' ' + nick(seat);
  }
  tell({Deed::Kind::divided, seats, "the network is cut between" + names + " and the others"});
  world_.partition({side});
}

void Star::cut(size_t from, size_t to) {
  tell({Deed::Kind::cut,
        {from, to},
        "nothing gets from " + nick(from) + " to " + nick(to) + " any more"});
  world_.cut(host(from), host(to), true);
}

void Star::heal() {
  tell({Deed::Kind::healed, {}, "all cuts are healed"});
  world_.heal();
}

void Star::change_links(const LinkSpec& spec) {
  tell({Deed::Kind::links, {}, "links: " + describe(spec)});
  world_.change_links(spec);
}

void Star::slow_disk(size_t seat, Duration latency, double bytes_per_second) {
  tell({Deed::Kind::disk,
        {seat},
        nick(seat) + " has a slow disk: " + std::to_string(mrt::to_ms(latency)) + " ms each time"});
  MemoryDiskConfig speed;
  speed.latency = latency;
  speed.bytes_per_second = bytes_per_second;
  disk(seat).set_speed(speed);
}

void Star::end_faults() {
  tell({Deed::Kind::calm, {}, "all faults end"});
  heal();
  change_links(config_.world.link);
  for (size_t seat = 0; seat < seat_count(); ++seat) {
    thaw(seat);
    disk(seat).set_speed({});
  }
}

}  // namespace node::sim
