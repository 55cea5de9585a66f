// SPDX-License-Identifier: MIT
//
// What must hold in every run, whatever crashes, losses, freezes and partitions it had. The
// checker is told what the script made nodes do and what the nodes told their users, and
// compares. It shares no code with the node, so that one mistake cannot hide in both.
//
// At every event
//   1. (epoch, seq) of what a life delivers only rises, and its epoch never falls.
//   2. Nothing is delivered twice, nothing that was not said, each sender's in its order.
//   3. One place of one view is one message, everywhere.
//   4. What is received is, to the byte, what somebody holds under that name.
//   5. Peers join before they leave, offers come before they are withdrawn, none twice.
//   6. A supernode that has and keeps members tells its user only what one of them was told, and
//      what a sender is told to be safe two have heard: who dies alone takes along nothing that
//      somebody acted upon.
// At the end
//   7. Lives that were gathered together from one view into the next delivered the same in the
//      first. Who came into the first one from elsewhere has no more of it than what came after,
//      and is spared what its own side had delivered before.
//   8. Where the script says that all move on together, a view has ended where its successors were
//      gathered: nobody is told a place of it beyond what they brought along.
//   9. One supernode, one epoch, one roster with its nicks and ranks, one catalogue; what a
//      survivor said, or a survivor heard, was heard by all who were there, but for as many as
//      were told to be missing, of those that lay where they were missed; downloads that can end
//      have ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/time.h"
#include "node/sim/facts.h"

namespace node::sim {

class Checker {
 public:
  // What the script does.
  void on_start(Life life, const Identity& identity, const std::string& nick = {});
  void on_said(mrt::Instant now, Life life, uint64_t number, std::string text);
  /// These bytes lie under that name at some node; `bytes` outlives the checker.
  void on_file(const std::string& name, const mrt::Bytes* bytes);
  void on_download(Life life, const std::string& name);
  /// Its faults leave no two sides that may both go on from one view: rule 8 holds.
  void expect_one_line() { one_line_ = true; }

  // What nodes tell.
  /// `supernode`: the life that it follows, which may have ended before this was told.
  void on_view(mrt::Instant now, Life life, uint64_t epoch, Life supernode);
  void on_migrated(Life life, uint64_t epoch, bool together);
  /// A supernode's roster; the first one of a view says who was gathered into it.
  void on_roster(Life supernode, uint64_t epoch, const std::set<Identity>& roster);
  void on_heard(mrt::Instant now, Life life, const Heard& heard);
  /// `from`: of whose messages; empty: of several senders'.
  void on_gap(mrt::Instant now, Life life, uint64_t count, const Identity& from = {});
  /// A sender was told that its messages up to this number are safe.
  void on_safe(mrt::Instant now, Life life, uint64_t number);
  void on_peer_joined(mrt::Instant now, Life life, const Identity& peer);
  void on_peer_left(mrt::Instant now, Life life, const Identity& peer);
  void on_offered(mrt::Instant now, Life life, const OfferSeen& offer);
  void on_withdrawn(mrt::Instant now, Life life, const OfferSeen& offer);
  void on_received(mrt::Instant now, Life life, const std::string& name, const mrt::Bytes* bytes);
  /// `excused`: it could not be done, and that is right.
  void on_download_failed(mrt::Instant now, Life life, const std::string& name,
                          const std::string& why, bool excused);

  /// Something else that must not be, which the star or the script noticed.
  void report(mrt::Instant now, Finding finding);
  void report(mrt::Instant now, Life life, const std::string& what,
              const std::vector<size_t>& messages = {});
  /// The first violation; later ones are often its consequences.
  const std::optional<Violation>& violation() const { return violation_; }

  /// Rules 7 and 8, once nothing happens any more.
  void check_agreement(mrt::Instant now);
  /// Rule 9: what is still missing, or nothing.
  std::optional<Finding> unsettled(const std::vector<Standing>& living) const;

  uint64_t heard_count() const { return heard_count_; }
  size_t said_count() const { return said_.size(); }
  /// From said to heard, all of them, unsorted.
  const std::vector<mrt::Duration>& delays() const { return delays_; }

 private:
  using View = std::pair<uint64_t, Life>;  // epoch and supernode
  struct Said {
    Life sender;
    uint64_t number;
    std::string text;
    mrt::Instant at;
    size_t heard_by = 0;        // lives
    std::set<uint64_t> seqs{};  // under which it was heard
  };
  struct Delivery {
    uint64_t epoch;
    uint64_t seq;
    size_t said;
  };
  /// Messages that were told to be missing, behind so many deliveries.
  struct Gap {
    mrt::Instant at;
    uint64_t count;
    size_t delivered;
    Identity from;
  };
  /// A supernode heard what nobody else had, which is right if it is alone, or leads others, by
  /// the end of that instant or in the roster that it tells next.
  struct Ahead {
    mrt::Instant at;
    Life life;
    View view;
    Delivery what;
  };
  using Passing = std::pair<View, View>;
  struct State {
    Identity identity;
    std::string nick;
    std::optional<uint64_t> incarnation;
    std::map<uint64_t, size_t> said;  // number to index
    // The stars that it belongs to, and since when: those that merge keep each its own number.
    std::map<uint64_t, mrt::Instant> stars;
    std::vector<View> views;
    std::set<uint64_t> epochs_together;  // reached with others, not by merging or joining
    std::vector<Delivery> delivered;
    std::set<size_t> heard;
    std::map<Life, uint64_t> number_last;  // heard of each sender
    std::vector<Gap> gaps;
    std::set<Identity> peers;
    std::set<OfferSeen> offers;
    std::set<std::string> downloads;  // under way
  };

  std::optional<size_t> resolve(const Heard& heard);
  std::string name(Life life) const;
  std::string name(const Identity& identity) const;
  std::optional<View> view_of(const State& state, uint64_t epoch) const;
  std::optional<View> gathered_from(Life life, const View& view) const;
  void check_pair(mrt::Instant now, const View& view, Life a, Life b);
  void check_end(mrt::Instant now, const View& view, Life gathered);
  void check_ahead(mrt::Instant now);
  bool may_be_kept(const State& state, const Said& said) const;
  /// Sender and hearer were in one star when it was said.
  bool was_owed(const Said& said, const State& hearer) const;
  Finding finding(Life life, const std::string& what, std::vector<size_t> messages = {}) const;
  std::optional<Finding> missing_chat(const std::vector<Standing>& living) const;
  std::vector<size_t> unexcused(const State& state, const std::vector<size_t>& missing) const;

  std::map<Life, State> lives_;
  std::map<Identity, Life> life_of_;  // the latest
  uint64_t stars_ = 0;
  std::vector<Said> said_;
  std::map<std::pair<View, uint64_t>, size_t> places_;
  std::map<View, std::set<Identity>> gathered_;
  std::map<std::string, std::vector<const mrt::Bytes*>> files_;
  std::vector<mrt::Duration> delays_;
  uint64_t heard_count_ = 0;
  bool one_line_ = false;
  std::optional<Ahead> ahead_;
  std::optional<Violation> violation_;
};

}  // namespace node::sim
