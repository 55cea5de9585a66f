// SPDX-License-Identifier: MIT
//
// Two nodes behind real NATs, and a rendezvous in the middle that brings them together.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "net/nat_world.h"
#include "script/star.h"

namespace net {

using script::Launch;
using script::Node;
using script::Star;

/// Anna hosts the network "lab" behind one NAT; Ben comes from behind another, knowing its name and
/// password and where the rendezvous is.
struct Met {
  Met(Nat annas, Nat bens)
      : middle(world.add(Nat::none)), ann(world.add(annas)), ben(world.add(bens)) {
    Launch launch{{"rendezvous", "--json", "--bind", middle.address + ":7700"},
                  star.folder("middle")};
    launch.network = middle.network;
    rendezvous.emplace(launch, "rendezvous", star.folder("rendezvous"));
    rendezvous->await_event("listening");
  }
  Node& open(const std::string& nick, const Host& host, std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), options.begin(), options.end());
    for (const std::string& more : {std::string("--rendezvous"), middle.address + ":7700"}) {
      arguments.push_back(more);
    }
    return star.open(nick, arguments, {"0.0.0.0:0", host.network, environment});
  }

  World world;
  Star star;
  const Host& middle;
  const Host& ann;
  const Host& ben;
  std::optional<Node> rendezvous;
  std::vector<std::string> options{};
  std::map<std::string, std::string> environment{{"THUBAN_PASSWORD", "between us"}};
};

}  // namespace net
