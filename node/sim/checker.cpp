// SPDX-License-Identifier: MIT
#include "node/sim/checker.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace node::sim {

using mrt::Instant;

static std::string place_text(uint64_t epoch, uint64_t seq) {
  return '(' + std::to_string(epoch) + ", " + std::to_string(seq) + ')';
}

std::string Checker::name(Life life) const {
  const State& state = lives_.at(life);
  const std::string& who = state.nick.empty() ? state.identity : state.nick;
  return who.substr(0, 8) + " (life " + std::to_string(life.value) + ')';
}

std::string Checker::name(const Identity& identity) const {
  const auto life = life_of_.find(identity);
  return life == life_of_.end() ? identity.substr(0, 8) : name(life->second);
}

Finding Checker::finding(Life life, const std::string& what, std::vector<size_t> messages) const {
  return {name(life) + ' ' + what, {life}, std::move(messages)};
}

void Checker::report(Instant now, Finding finding) {
  if (!violation_) violation_ = Violation{std::move(finding), now};
}

void Checker::report(Instant now, Life life, const std::string& what,
                     const std::vector<size_t>& messages) {
  report(now, finding(life, what, messages));
}

// What the script does.

void Checker::on_start(Life life, const Identity& identity, const std::string& nick) {
  lives_[life].identity = identity;
  lives_[life].nick = nick;
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

void Checker::on_view(Instant now, Life life, uint64_t epoch, Life supernode) {
  check_ahead(now);
  if (epoch == 0) return;  // not in any star yet
  State& state = lives_.at(life);
  const View view{epoch, supernode};
  if (!state.views.empty()) {
    const View& last = state.views.back();
    if (view == last) return;
    if (epoch < last.first) {
      report(now, life,
             "fell back to epoch " + std::to_string(epoch) + " from " + std::to_string(last.first));
    }
  }
  state.views.push_back(view);
  if (supernode != life) {
    for (const auto& [star, since] : lives_.at(supernode).stars) {
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
  // It was alone, whoever comes to one that thaws in the same instant.
  if (ahead_ && ahead_->life == supernode && lives_.at(supernode).peers.empty()) ahead_.reset();
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
  check_ahead(now);
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
    report(now, life, "heard \"" + original.text.substr(0, 40) + "\" twice, again" + where,
           {*said});
  }
  uint64_t& number_last = state.number_last[original.sender];
  if (original.number <= number_last) {
    report(now, life,
           "heard number " + std::to_string(original.number) + " of " + name(original.sender) +
               " after " + std::to_string(number_last) + where,
           {*said});
  }
  number_last = original.number;
  if (!state.delivered.empty()) {
    const Delivery& last = state.delivered.back();
    if (std::pair(heard.epoch, heard.seq) <= std::pair(last.epoch, last.seq)) {
      report(now, life, "heard" + where + " after " + place_text(last.epoch, last.seq), {*said});
    }
  }
  ++said_[*said].heard_by;
  said_[*said].seqs.insert(heard.seq);
  state.delivered.push_back({heard.epoch, heard.seq, *said});
  // What it takes from one that leads it next, it may be told before it is told who that is. Who
  // keeps it for others may be gone in the same instant.
  if (!ahead_ && original.heard_by == 1 && !state.views.empty() && !state.peers.empty() &&
      state.views.back() == View{heard.epoch, life} && !may_be_kept(state, original)) {
    ahead_ = {now, life, state.views.back(), state.delivered.back()};
  }
  if (!heard.history) delays_.push_back(now - original.at);
  if (const auto view = view_of(state, heard.epoch)) {
    const auto [place, is_new] = places_.try_emplace({*view, heard.seq}, *said);
    if (!is_new && place->second != *said) {
      report(now, life,
             "heard \"" + original.text.substr(0, 40) + '"' + where + " where others heard \"" +
                 said_[place->second].text.substr(0, 40) + '"',
             {*said, place->second});
    }
  }
}

/// By one that came after it was said: it keeps that for others, and tells its user nothing of it.
bool Checker::may_be_kept(const State& state, const Said& said) const {
  return std::any_of(state.peers.begin(), state.peers.end(), [&](const Identity& peer) {
    return !was_owed(said, lives_.at(life_of_.at(peer)));
  });
}

void Checker::check_ahead(Instant now) {
  if (!ahead_ || now == ahead_->at) return;
  const Ahead ahead = *std::exchange(ahead_, std::nullopt);
  const State& state = lives_.at(ahead.life);
  const Said& said = said_[ahead.what.said];
  if (said.heard_by > 1 || state.peers.empty() || may_be_kept(state, said) ||
      state.views.back() != ahead.view) {
    return;
  }
  report(ahead.at, ahead.life,
         "leads others and heard \"" + said_[ahead.what.said].text.substr(0, 40) + "\" at " +
             place_text(ahead.what.epoch, ahead.what.seq) + " before any of them",
         {ahead.what.said});
}

void Checker::on_gap(Instant now, Life life, uint64_t count, const Identity& from) {
  State& state = lives_.at(life);
  state.gaps.push_back({now, count, state.delivered.size(), from});
}

void Checker::on_safe(Instant now, Life life, uint64_t number) {
  const State& state = lives_.at(life);
  const auto said = state.said.find(number);
  if (said == state.said.end()) return;  // an offer: the script does not know its number
  const size_t enough = state.peers.empty() || may_be_kept(state, said_[said->second]) ? 1 : 2;
  if (said_[said->second].heard_by < enough) {
    report(now, life,
           "was told that \"" + said_[said->second].text.substr(0, 40) + "\" is safe, which " +
               std::to_string(said_[said->second].heard_by) + " heard",
           {said->second});
  }
}

void Checker::on_peer_joined(Instant now, Life life, const Identity& peer) {
  check_ahead(now);
  if (!lives_.at(life).peers.insert(peer).second)
    report(now, life, "saw " + name(peer) + " join twice");
}

void Checker::on_peer_left(Instant now, Life life, const Identity& peer) {
  check_ahead(now);
  if (lives_.at(life).peers.erase(peer) == 0) {
    report(now, life, "saw " + name(peer) + " leave that had not joined");
  }
}

void Checker::on_offered(Instant now, Life life, const OfferSeen& offer) {
  if (!lives_.at(life).offers.insert(offer).second) {
    report(now, life, "was told twice that " + name(offer.holder) + " offers " + offer.name);
  }
}

void Checker::on_withdrawn(Instant now, Life life, const OfferSeen& offer) {
  if (lives_.at(life).offers.erase(offer) == 0) {
    report(now, life,
           "was told that " + offer.name + " is withdrawn by " + name(offer.holder) +
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
  check_ahead(now + mrt::Duration(1));
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
    if (one_line_) check_end(now, passing.first, group[0]);
  }
}

/// Where one that was gathered out of a view heard its last place, the view was over for all.
void Checker::check_end(Instant now, const View& view, Life gathered) {
  uint64_t end = 0;
  std::set<size_t> brought;  // a repeat of it is no news
  for (const Delivery& one : lives_.at(gathered).delivered) {
    if (one.epoch > view.first) continue;
    end = std::max(end, one.seq);
    brought.insert(one.said);
  }
  for (const auto& [place, said] : places_) {
    if (place.first != view || place.second <= end || brought.contains(said)) continue;
    Finding found =
        finding(gathered,
                "left epoch " + std::to_string(view.first) + " at place " + std::to_string(end) +
                    ", and it went on without: \"" + said_[said].text.substr(0, 40) + "\" at " +
                    std::to_string(place.second),
                {said});
    return report(now, std::move(found));
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
  // What was said before one of them came is history to that one, told or not.
  for (auto* places : {&of_a, &of_b}) {
    std::erase_if(*places, [&](const auto& one) {
      const Said& said = said_[one.second];
      return !was_owed(said, lives_.at(a)) || !was_owed(said, lives_.at(b));
    });
  }
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
  Finding found = finding(
      a, "and " + name(b) + " left epoch " + std::to_string(view.first) +
             " together, yet heard different things in it: " + describe(differ.first, of_a.end()) +
             " and " + describe(differ.second, of_b.end()));
  found.lives.push_back(b);
  if (differ.first != of_a.end()) found.messages.push_back(differ.first->second);
  if (differ.second != of_b.end()) found.messages.push_back(differ.second->second);
  report(now, std::move(found));
}

}  // namespace node::sim
