// SPDX-License-Identifier: MIT
//
// Who is here: the members of one view with nick, addresses and place in the succession.
// The supernode edits it and sends what changed; members apply that. Knows no connections.
//
// 1. Sorted by node: listings, updates and digests are alike everywhere.
// 2. Nicks are unique: the second "anna" is granted "anna-2".
// 3. At most members_max entries; a newcomer above is refused by the caller (is_full()).
// 4. Applying an update twice, or one whose changes are known already, changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "node/ids.h"
#include "node/message.h"

namespace node {

/// mrt::EndpointConfig::connections_max, less room for successors and strangers.
inline constexpr size_t members_max = 4'096;

class Roster {
 public:
  /// What an update did, for the user's eyes.
  struct Change {
    std::vector<RosterEntry> joined;
    std::vector<std::pair<RosterEntry, GoneReason>> left;
    bool changed = false;  // anything at all but ranks and RTTs
  };

  // The supernode's side: edits, and what to send of them.
  void put(const RosterEntry& entry);
  void remove(const NodeId& node, GoneReason reason);
  /// Ranks 1, 2, ... in this order, `supernode` 0; whoever is not named keeps behind them.
  void rank(const NodeId& supernode, const std::vector<NodeId>& succession);
  bool has_changes() const { return !touched_.empty() || !removals_.empty(); }
  /// Members were not told of this node's entry yet.
  bool is_news(const NodeId& node) const { return touched_.contains(node); }
  /// What changed since the last call, as parts of one version each.
  std::vector<RosterUpdate> take_changes(Epoch epoch, const NodeId& supernode);
  /// The whole list in parts.
  std::vector<RosterUpdate> full(Epoch epoch, const NodeId& supernode) const;
  /// The nick that `node` may have: `wanted`, or with the first free number behind it.
  std::string free_nick(const NodeId& node, std::string_view wanted) const;

  // A member's side.
  /// Whether that node would not be here any more behind this update.
  bool would_lose(const RosterUpdate& update, const NodeId& node) const;
  Change apply(const RosterUpdate& update);

  // Both.
  void clear();
  /// A full list follows, whatever came of another one.
  void begin_list() { in_full_.clear(); }
  const RosterEntry* find(const NodeId& node) const;
  /// By exact nick, "nick~idprefix", or the start of an id (4 digits or more); null where
  /// none or several match.
  const RosterEntry* find(std::string_view who) const;
  const std::map<NodeId, RosterEntry>& entries() const { return entries_; }
  /// By rank: the supernode first, then the succession.
  std::vector<NodeId> by_rank() const;
  size_t size() const { return entries_.size(); }
  bool is_full() const { return entries_.size() >= members_max; }
  RosterVersion version() const { return version_; }
  bool is_consistent() const;

 private:
  std::map<NodeId, RosterEntry> entries_;
  RosterVersion version_;
  std::set<NodeId> touched_;
  std::map<NodeId, GoneReason> removals_;
  std::set<NodeId> in_full_;  // named so far by the parts of a full list that is coming in
};

}  // namespace node
