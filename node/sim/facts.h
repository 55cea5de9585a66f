// SPDX-License-Identifier: MIT
//
// What the checker is told of a run, and what it finds (checker.h): plain words and numbers, none
// of the node's own types, so that nothing of how a node computes them gets into its judgement.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mrt/base/ids.h"
#include "mrt/base/time.h"

namespace node::sim {

/// One start of one node, numbered by the script.
using Life = mrt::Id<struct LifeTag, uint32_t>;
/// A node's id, as text.
using Identity = std::string;

/// Something that is not as it must be, the lives that it befell, and the messages that it is
/// about, by the order in which they were said.
struct Finding {
  std::string what;
  std::vector<Life> lives{};
  std::vector<size_t> messages{};
};

struct Violation : Finding {
  mrt::Instant at;
};

/// A chat as a node told it to its user.
struct Heard {
  Identity from;
  uint64_t incarnation = 0;
  uint64_t number = 0;
  uint64_t epoch = 0;
  uint64_t seq = 0;
  std::string text;
  bool history = false;
};

struct OfferSeen {
  std::string name;
  uint64_t size = 0;
  std::string hash;
  Identity holder;
  auto operator<=>(const OfferSeen&) const = default;
};

/// What a living node says of itself when it is asked.
struct Standing {
  Life life;
  bool is_supernode = false;
  uint64_t epoch = 0;
  Identity supernode;
  std::set<Identity> roster;
  std::set<OfferSeen> offers;
  std::vector<std::pair<Identity, std::string>> succession{};  // by rank, with their nicks
};

}  // namespace node::sim
