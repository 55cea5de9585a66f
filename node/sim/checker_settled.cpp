// SPDX-License-Identifier: MIT
//
// What must hold once the faults have stopped and time has passed: all who live are in one star,
// and have heard and list the same.
#include <algorithm>

#include "node/sim/checker.h"

namespace node::sim {

/// The first offer that only one of the two has.
static OfferSeen difference(const std::set<OfferSeen>& known, const std::set<OfferSeen>& real) {
  std::vector<OfferSeen> only;
  std::set_symmetric_difference(known.begin(), known.end(), real.begin(), real.end(),
                                std::back_inserter(only));
  return only.front();
}

std::optional<Finding> Checker::unsettled(const std::vector<Standing>& living) const {
  if (living.empty()) return std::nullopt;
  std::set<Identity> here;
  std::set<OfferSeen> offers;
  const Standing* supernode = nullptr;
  for (const Standing& one : living) {
    const State& state = lives_.at(one.life);
    here.insert(state.identity);
    for (const OfferSeen& offer : state.offers) {
      if (offer.holder == state.identity) offers.insert(offer);
    }
    if (!one.is_supernode) continue;
    if (supernode) return finding(supernode->life, "and " + name(one.life) + " are supernodes");
    supernode = &one;
  }
  if (!supernode && living.size() > 1) return Finding{"nobody is the supernode"};
  for (const Standing& one : living) {
    const State& state = lives_.at(one.life);
    if (supernode &&
        (one.epoch != supernode->epoch || one.supernode != lives_.at(supernode->life).identity)) {
      return finding(one.life, "follows " + name(one.supernode) + " in epoch " +
                                   std::to_string(one.epoch) + ", not " + name(supernode->life) +
                                   " in " + std::to_string(supernode->epoch));
    }
    if (one.roster != here) {
      return finding(one.life, "has " + std::to_string(one.roster.size()) +
                                   " in its roster, not the " + std::to_string(here.size()) +
                                   " who are here");
    }
    if (supernode && one.succession != supernode->succession) {
      return finding(one.life,
                     "has other nicks or ranks in its roster than " + name(supernode->life));
    }
    std::set<Identity> told = state.peers;
    told.insert(state.identity);
    if (told != here) {
      return finding(one.life, "was told of " + std::to_string(told.size()) +
                                   " peers by joined and left, not of the " +
                                   std::to_string(here.size()));
    }
    for (const auto* known : {&one.offers, &state.offers}) {
      if (*known == offers) continue;
      const OfferSeen first = difference(*known, offers);
      return finding(one.life, (known == &one.offers ? "lists " : "was told of ") +
                                   std::to_string(known->size()) + " offers, not of the " +
                                   std::to_string(offers.size()) + " that stand: " +
                                   (offers.contains(first) ? "not " : "wrongly ") + first.name +
                                   " of " + name(first.holder));
    }
    for (const std::string& file : state.downloads) {
      const auto held = [&](const OfferSeen& offer) { return offer.name == file; };
      if (std::any_of(offers.begin(), offers.end(), held)) {
        return finding(one.life, "still waits for " + file);
      }
    }
  }
  return missing_chat(living);
}

bool Checker::was_owed(const Said& said, const State& hearer) const {
  const State& sender = lives_.at(said.sender);
  return std::any_of(hearer.stars.begin(), hearer.stars.end(), [&](const auto& star) {
    const auto of_sender = sender.stars.find(star.first);
    return star.second <= said.at && of_sender != sender.stars.end() &&
           of_sender->second <= said.at;
  });
}

std::optional<Finding> Checker::missing_chat(const std::vector<Standing>& living) const {
  std::set<Life> alive;
  for (const Standing& one : living) alive.insert(one.life);
  std::vector<bool> owed(said_.size(), false);
  for (size_t i = 0; i < said_.size(); ++i) {
    owed[i] = alive.contains(said_[i].sender);
  }
  for (const Life life : alive) {
    for (const size_t said : lives_.at(life).heard) owed[said] = true;
  }
  for (const Life life : alive) {
    const State& state = lives_.at(life);
    std::vector<size_t> missing;
    for (size_t i = 0; i < said_.size(); ++i) {
      if (owed[i] && !state.heard.contains(i) && was_owed(said_[i], state)) missing.push_back(i);
    }
    missing = unexcused(state, missing);
    if (!missing.empty()) {
      const Said& first = said_[missing.front()];
      return finding(life,
                     "has not heard " + std::to_string(missing.size()) + " messages, first \"" +
                         first.text.substr(0, 40) + "\" of " + name(first.sender),
                     {missing.front()});
    }
  }
  return std::nullopt;
}

/// Those that no gap excuses: it was told after they were said, each gap is of so many, and others
/// heard them before the place at which this life went on; where it names their sender, that one
/// said them before what was heard of it next.
std::vector<size_t> Checker::unexcused(const State& state,
                                       const std::vector<size_t>& missing) const {
  std::vector<uint64_t> left;
  for (const Gap& gap : state.gaps) left.push_back(gap.count);
  std::vector<size_t> out;
  for (const size_t said : missing) {
    const auto excuses = [&](size_t index) {
      const Gap& gap = state.gaps[index];
      if (left[index] == 0) return false;
      if (!gap.from.empty() && gap.delivered < state.delivered.size()) {
        const Said& after = said_[state.delivered[gap.delivered].said];
        return after.sender == said_[said].sender && said_[said].number < after.number;
      }
      const uint64_t next =
          gap.delivered < state.delivered.size() ? state.delivered[gap.delivered].seq : UINT64_MAX;
      const Said& one = said_[said];
      return one.at <= gap.at && !one.seqs.empty() && *one.seqs.begin() < next;
    };
    size_t gap = 0;
    while (gap < left.size() && !excuses(gap)) ++gap;
    if (gap == left.size()) {
      out.push_back(said);
    } else {
      --left[gap];
    }
  }
  return out;
}

}  // namespace node::sim
