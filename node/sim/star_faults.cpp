// SPDX-License-Identifier: MIT
//
// What a script does to the world around the nodes: freezing, cutting and changing links. Each deed
// is told to whoever watches.
#include "node/sim/describe.h"
#include "node/sim/star.h"

namespace node::sim {

void Star::freeze(size_t seat) {
  tell(nick(seat) + " is frozen");
  world_.freeze(host(seat));
}

void Star::thaw(size_t seat) {
  if (!world_.is_frozen(host(seat))) return;
  tell(nick(seat) + " thaws");
  world_.thaw(host(seat));
}

void Star::divide(const std::vector<size_t>& seats) {
  std::vector<HostId> side;
  std::string names;
  for (const size_t seat : seats) {
    side.push_back(host(seat));
    names += ' ' + nick(seat);
  }
  tell("the network is cut between" + names + " and the others");
  world_.partition({side});
}

void Star::cut(size_t from, size_t to) {
  tell("nothing gets from " + nick(from) + " to " + nick(to) + " any more");
  world_.cut(host(from), host(to), true);
}

void Star::heal() {
  tell("all cuts are healed");
  world_.heal();
}

void Star::change_links(const LinkSpec& spec) {
  tell("links: " + describe(spec));
  world_.change_links(spec);
}

}  // namespace node::sim
