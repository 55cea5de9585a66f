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
// At the end
//   6. Lives that were gathered together from one view into the next delivered the same in the
//      first. Who came into the first one from elsewhere has no more of it than what came after,
//      and is spared what its own side had delivered before.
//   7. One supernode, one epoch, one roster, one catalogue; what a survivor said, or a
//      survivor heard, was heard by all who were there; downloads that can end have ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mrt/base/bytes.h"
#include "mrt/base/ids.h"
#include "mrt/base/time.h"

namespace node::sim {

/// One start of one node, numbered by the script.
using Life = mrt::Id<struct LifeTag, uint32_t>;
/// A node's id, as text.
using Identity = std::string;

struct Violation {
  mrt::Instant at;
  std::string what;
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
};

class Checker {
 public:
  // What the script does.
  void on_start(Life life, const Identity& identity);
  void on_said(mrt::Instant now, Life life, uint64_t number, std::string text);
  /// These bytes lie under that name at some node; `bytes` outlives the checker.
  void on_file(const std::string& name, const mrt::Bytes* bytes);
  void on_download(Life life, const std::string& name);

  // What nodes tell.
  void on_view(mrt::Instant now, Life life, uint64_t epoch, const Identity& supernode);
  void on_migrated(Life life, uint64_t epoch, bool together);
  /// A supernode's roster; the first one of a view says who was gathered into it.
  void on_roster(Life supernode, uint64_t epoch, const std::set<Identity>& roster);
  void on_heard(mrt::Instant now, Life life, const Heard& heard);
  void on_gap(Life life, uint64_t count);
  void on_peer_joined(mrt::Instant now, Life life, const Identity& peer);
  void on_peer_left(mrt::Instant now, Life life, const Identity& peer);
  void on_offered(mrt::Instant now, Life life, const OfferSeen& offer);
  void on_withdrawn(mrt::Instant now, Life life, const OfferSeen& offer);
  void on_received(mrt::Instant now, Life life, const std::string& name, const mrt::Bytes* bytes);
  /// `excused`: it could not be done, and that is right.
  void on_download_failed(mrt::Instant now, Life life, const std::string& name,
                          const std::string& why, bool excused);

  /// Something else that must not be, which the star or the script noticed.
  void report(mrt::Instant now, const std::string& what);
  void report(mrt::Instant now, Life life, const std::string& what);
  /// The first violation; later ones are often its consequences.
  const std::optional<Violation>& violation() const { return violation_; }

  /// Rule 6, once nothing happens any more.
  void check_agreement(mrt::Instant now);
  /// Rule 7: what is still missing, or nothing.
  std::optional<std::string> unsettled(const std::vector<Standing>& living) const;

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
  };
  struct Delivery {
    uint64_t epoch;
    uint64_t seq;
    size_t said;
  };
  using Passing = std::pair<View, View>;
  struct State {
    Identity identity;
    std::optional<uint64_t> incarnation;
    std::map<uint64_t, size_t> said;  // number to index
    // The stars that it belongs to, and since when: those that merge keep each its own number.
    std::map<uint64_t, mrt::Instant> stars;
    std::vector<View> views;
    std::set<uint64_t> epochs_together;  // reached with others, not by merging or joining
    std::vector<Delivery> delivered;
    std::set<size_t> heard;
    std::map<Life, uint64_t> number_last;  // heard of each sender
    uint64_t gap = 0;
    std::set<Identity> peers;
    std::set<OfferSeen> offers;
    std::set<std::string> downloads;  // under way
  };

  std::optional<size_t> resolve(const Heard& heard);
  std::string name(Life life) const;
  std::optional<View> view_of(const State& state, uint64_t epoch) const;
  std::optional<View> gathered_from(Life life, const View& view) const;
  void check_pair(mrt::Instant now, const View& view, Life a, Life b);
  /// Sender and hearer were in one star when it was said.
  bool was_owed(const Said& said, const State& hearer) const;
  std::optional<std::string> missing_chat(const std::vector<Standing>& living) const;

  std::map<Life, State> lives_;
  std::map<Identity, Life> life_of_;  // the latest
  uint64_t stars_ = 0;
  std::vector<Said> said_;
  std::map<std::pair<View, uint64_t>, size_t> places_;
  std::map<View, std::set<Identity>> gathered_;
  std::map<std::string, std::vector<const mrt::Bytes*>> files_;
  std::vector<mrt::Duration> delays_;
  uint64_t heard_count_ = 0;
  std::optional<Violation> violation_;
};

}  // namespace node::sim
