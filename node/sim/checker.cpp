// SPDX-License-Identifier: MIT
#include "node/sim/checker.h"

#include <algorithm>
#include <iterator>

namespace node::sim {

using mrt::Instant;

static std::string place_text(uint64_t epoch, uint64_t seq) {
  return '(' + std::to_string(epoch) + ", " + std::to_string(seq) + ')';
}

std::string Checker::name(Life life) const {
  return "life " + std::to_string(life.value) + " (" + lives_.at(life).identity.substr(0, 8) + ")";
}

void Checker::report(Instant now, const std::string& what) {
  if (!violation_) violation_ = {now, what};
}

void Checker::report(Instant now, Life life, const std::string& what) {
  report(now, name(life) + ' ' + what);
}

// What the script does.

void Checker::on_start(Life life, const Identity& identity) {
  lives_[life].identity = identity;
  life_of_[identity] = life;
}

void Checker::on_said(Instant now, Life life, uint64_t number, std::string text) {
  State& state = lives_.at(life);
  if (!state.said.empty() && number <= state.said.rbegin()->first) {
    report(now, life, "gave its message a number that does not rise");
  }
  state.said[number] = said_.size();
  said_.push_back({life, number, std::move(text), now});
}

void Checker::on_file(const std::string& name, const mrt::Bytes* bytes) {
  files_[name].push_back(bytes);
}

void Checker::on_download(Life life, const std::string& name) {
  lives_.at(life).downloads.insert(name);
}

// What nodes tell.

void Checker::on_view(Instant now, Life life, uint64_t epoch, const Identity& supernode) {
  if (epoch == 0) return;  // not in any star yet
  State& state = lives_.at(life);
  const View view{epoch, supernode == state.identity ? life : life_of_.at(supernode)};
  if (!state.views.empty()) {
    const View& last = state.views.back();
    if (view == last) return;
    if (epoch < last.first) {
      report(now, life,
             "fell back to epoch " + std::to_string(epoch) + " from " + std::to_string(last.first));
    }
  }
  state.views.push_back(view);
  if (supernode != state.identity) {
    for (const auto& [star, since] : lives_.at(view.second).stars) {
      state.stars.try_emplace(star, now);
    }
  } else if (state.stars.empty()) {
    state.stars[stars_++] = now;
  }
}

void Checker::on_migrated(Life life, uint64_t epoch, bool together) {
  if (together) lives_.at(life).epochs_together.insert(epoch);
}

void Checker::on_roster(Life supernode, uint64_t epoch, const std::set<Identity>& roster) {
  gathered_.try_emplace({epoch, supernode}, roster);
}

std::optional<size_t> Checker::resolve(const Heard& heard) {
  for (auto& [life, state] : lives_) {
    if (state.identity != heard.from) continue;
    const auto said = state.said.find(heard.number);
    if (said == state.said.end() || said_[said->second].text != heard.text) continue;
    // The script can't know what incarnation a life drew; its first message tells.
    if (!state.incarnation) state.incarnation = heard.incarnation;
    if (state.incarnation == heard.incarnation) return said->second;
  }
  return std::nullopt;
}

std::optional<Checker::View> Checker::view_of(const State& state, uint64_t epoch) const {
  for (auto view = state.views.rbegin(); view != state.views.rend(); ++view) {
    if (view->first == epoch) return *view;
  }
  return std::nullopt;
}

void Checker::on_heard(Instant now, Life life, const Heard& heard) {
  ++heard_count_;
  State& state = lives_.at(life);
  const std::string where = " at " + place_text(heard.epoch, heard.seq);
  const auto said = resolve(heard);
  if (!said) {
    report(now, life, "heard what nobody said: \"" + heard.text.substr(0, 40) + '"' + where);
    return;
  }
  const Said& original = said_[*said];
  if (!state.heard.insert(*said).second) {
    report(now, life, "heard \"" + original.text.substr(0, 40) + "\" twice, again" + where);
  }
  uint64_t& number_last = state.number_last[original.sender];
  if (original.number <= number_last) {
    report(now, life,
           "heard number " + std::to_string(original.number) + " of " + name(original.sender) +
               " after " + std::to_string(number_last) + where);
  }
  number_last = original.number;
  if (!state.delivered.empty()) {
    const Delivery& last = state.delivered.back();
    if (std::pair(heard.epoch, heard.seq) <= std::pair(last.epoch, last.seq)) {
      report(now, life, "heard" + where + " after " + place_text(last.epoch, last.seq));
    }
  }
  state.delivered.push_back({heard.epoch, heard.seq, *said});
  if (!heard.history) delays_.push_back(now - original.at);
  if (const auto view = view_of(state, heard.epoch)) {
    const auto [place, is_new] = places_.try_emplace({*view, heard.seq}, *said);
    if (!is_new && place->second != *said) {
      report(now, life,
             "heard \"" + original.text.substr(0, 40) + '"' + where + " where others heard \"" +
                 said_[place->second].text.substr(0, 40) + '"');
    }
  }
}

void Checker::on_gap(Life life, uint64_t count) { lives_.at(life).gap += count; }

void Checker::on_peer_joined(Instant now, Life life, const Identity& peer) {
  if (!lives_.at(life).peers.insert(peer).second) report(now, life, "saw " + peer + " join twice");
}

void Checker::on_peer_left(Instant now, Life life, const Identity& peer) {
  if (lives_.at(life).peers.erase(peer) == 0) {
    report(now, life, "saw " + peer + " leave that had not joined");
  }
}

void Checker::on_offered(Instant now, Life life, const OfferSeen& offer) {
  if (!lives_.at(life).offers.insert(offer).second) {
    report(now, life, "was told twice that " + offer.holder + " offers " + offer.name);
  }
}

void Checker::on_withdrawn(Instant now, Life life, const OfferSeen& offer) {
  if (lives_.at(life).offers.erase(offer) == 0) {
    report(now, life,
           "was told that " + offer.name + " is withdrawn by " + offer.holder +
               ", and never that it was offered");
  }
}

void Checker::on_received(Instant now, Life life, const std::string& name,
                          const mrt::Bytes* bytes) {
  State& state = lives_.at(life);
  if (state.downloads.erase(name) == 0) {
    report(now, life, "received " + name + ", which it had not asked for");
  }
  const auto& held = files_[name];
  const bool is_right = bytes && std::any_of(held.begin(), held.end(), [&](const auto* original) {
                          return *original == *bytes;
                        });
  if (!is_right) report(now, life, "received " + name + " with bytes that nobody holds");
}

void Checker::on_download_failed(Instant now, Life life, const std::string& name,
                                 const std::string& why, bool excused) {
  lives_.at(life).downloads.erase(name);
  if (!excused) report(now, life, "gave up " + name + ": " + why);
}

// At the end.

void Checker::check_agreement(Instant now) {
  // Who passed from which view to which, not by merging, and not by coming later.
  std::map<Passing, std::vector<Life>> groups;
  for (const auto& [life, state] : lives_) {
    for (size_t i = 1; i < state.views.size(); ++i) {
      const View& to = state.views[i];
      if (state.epochs_together.contains(to.first) && gathered_from(life, to)) {
        groups[{state.views[i - 1], to}].push_back(life);
      }
    }
  }
  for (const auto& [passing, group] : groups) {
    for (size_t i = 1; i < group.size(); ++i) check_pair(now, passing.first, group[0], group[i]);
  }
}

/// Its view before, where it was there when the view began.
std::optional<Checker::View> Checker::gathered_from(Life life, const View& view) const {
  const State& state = lives_.at(life);
  const auto gathered = gathered_.find(view);
  const auto at = std::find(state.views.begin(), state.views.end(), view);
  if (gathered == gathered_.end() || !gathered->second.contains(state.identity) ||
      at == state.views.begin() || at == state.views.end()) {
    return std::nullopt;
  }
  return at[-1];
}

void Checker::check_pair(Instant now, const View& view, Life a, Life b) {
  const auto delivered = [&](Life life) {
    const State& state = lives_.at(life);
    std::vector<std::pair<uint64_t, size_t>> out;
    for (const Delivery& one : state.delivered) {
      if (one.epoch == view.first) out.push_back({one.seq, one.said});
    }
    return out;
  };
  auto of_a = delivered(a);
  auto of_b = delivered(b);
  // What one of them had heard before, or later words of the same sender, it is spared here: it was
  // on a side of its own then. The other is told it now.
  const auto spare = [&](Life other, auto& places) {
    std::map<Life, uint64_t> before;  // numbers rise: the last one of each sender
    for (const Delivery& one : lives_.at(other).delivered) {
      if (one.epoch < view.first) before[said_[one.said].sender] = said_[one.said].number;
    }
    std::erase_if(places, [&](const auto& one) {
      const auto last = before.find(said_[one.second].sender);
      return last != before.end() && said_[one.second].number <= last->second;
    });
  };
  spare(b, of_a);
  spare(a, of_b);
  // Who came into the view from elsewhere has no more than what came after.
  const auto trim = [](const auto& newcomers, auto& others) {
    if (newcomers.empty()) {
      others.clear();
    } else {
      std::erase_if(others, [&](const auto& one) { return one.first < newcomers[0].first; });
    }
  };
  const auto origin = gathered_from(a, view);
  if (!origin || origin != gathered_from(b, view)) {
    trim(of_a, of_b);
    trim(of_b, of_a);
  }
  if (of_a == of_b) return;
  const auto differ = std::mismatch(of_a.begin(), of_a.end(), of_b.begin(), of_b.end());
  const auto describe = [&](const auto& at, const auto& end) {
    return at == end
               ? std::string("nothing more")
               : std::to_string(at->first) + " \"" + said_[at->second].text.substr(0, 40) + '"';
  };
  report(now, a,
         "and " + name(b) + " left epoch " + std::to_string(view.first) +
             " together, yet heard different things in it: " + describe(differ.first, of_a.end()) +
             " and " + describe(differ.second, of_b.end()));
}

/// The first offer that only one of the two has.
static std::string difference(const std::set<OfferSeen>& known, const std::set<OfferSeen>& real) {
  std::vector<OfferSeen> only;
  std::set_symmetric_difference(known.begin(), known.end(), real.begin(), real.end(),
                                std::back_inserter(only));
  const OfferSeen& first = only.front();
  return (real.contains(first) ? "not " : "wrongly ") + first.name + " of " +
         first.holder.substr(0, 8);
}

std::optional<std::string> Checker::unsettled(const std::vector<Standing>& living) const {
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
    if (supernode) return name(supernode->life) + " and " + name(one.life) + " are supernodes";
    supernode = &one;
  }
  if (!supernode && living.size() > 1) return "nobody is the supernode";
  for (const Standing& one : living) {
    const State& state = lives_.at(one.life);
    if (supernode &&
        (one.epoch != supernode->epoch || one.supernode != lives_.at(supernode->life).identity)) {
      return name(one.life) + " follows " + one.supernode.substr(0, 8) + " in epoch " +
             std::to_string(one.epoch) + ", not " + name(supernode->life) + " in " +
             std::to_string(supernode->epoch);
    }
    if (one.roster != here) {
      return name(one.life) + " has " + std::to_string(one.roster.size()) +
             " in its roster, not the " + std::to_string(here.size()) + " who are here";
    }
    std::set<Identity> told = state.peers;
    told.insert(state.identity);
    if (told != here) {
      return name(one.life) + " was told of " + std::to_string(told.size()) +
             " peers by joined and left, not of the " + std::to_string(here.size());
    }
    for (const auto* known : {&one.offers, &state.offers}) {
      if (*known == offers) continue;
      return name(one.life) + (known == &one.offers ? " lists " : " was told of ") +
             std::to_string(known->size()) + " offers, not of the " +
             std::to_string(offers.size()) + " that stand: " + difference(*known, offers);
    }
    for (const std::string& file : state.downloads) {
      const auto held = [&](const OfferSeen& offer) { return offer.name == file; };
      if (std::any_of(offers.begin(), offers.end(), held)) {
        return name(one.life) + " still waits for " + file;
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

std::optional<std::string> Checker::missing_chat(const std::vector<Standing>& living) const {
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
    uint64_t missing = 0;
    size_t first = 0;
    for (size_t i = 0; i < said_.size(); ++i) {
      if (!owed[i] || state.heard.contains(i) || !was_owed(said_[i], state)) continue;
      if (missing++ == 0) first = i;
    }
    if (missing > state.gap) {
      return name(life) + " has not heard " + std::to_string(missing) + " messages, first \"" +
             said_[first].text.substr(0, 40) + "\" of " + name(said_[first].sender);
    }
  }
  return std::nullopt;
}

}  // namespace node::sim
