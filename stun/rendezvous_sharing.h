// SPDX-License-Identifier: MIT
//
// Of a rendezvous server that shares its table with others: what they are to be told. It knows
// nothing of how that gets there, and keeps no copy of the table.
//
// 1. Only what was taken here is told, as it is at the moment of telling.
// 2. While it is off nothing gathers: when it begins all is told, from the first to the last.
// 3. What waits is bounded; at the limit all is told anew.
#pragma once

#include <deque>

#include "stun/rendezvous_table.h"

namespace stun {

class RendezvousSharing {
 public:
  static constexpr size_t waiting_max = RendezvousTable::entries_max;
  // Of a burst. Who looks asks again, and is introduced anew.
  static constexpr size_t introductions_max = 256;
  /// An introduction, and the server that it is for.
  using Errand = std::pair<InstanceId, FarIntroduction>;

  explicit RendezvousSharing(const InstanceId& own) : own_(own) {}

  void begin();
  void end();
  bool is_on() const { return on_; }
  const InstanceId& own() const { return own_; }

  // For the server.
  /// Of a registration as it came, before anything of it is left out.
  std::shared_ptr<RendezvousTable::Shared> shared_of(const Registration& registration) const;
  /// It was taken or kept here; `news`: the others cannot know by themselves.
  void note(mrt::Instant now, const LookUpId& id, RendezvousTable::Entry& entry, bool news);
  void introduce(const InstanceId& home, FarIntroduction far);
  /// That very registration is in the table: its signature was checked.
  bool knows(RendezvousTable& table, const RendezvousRecord& record) const;

  // What the others are to be told.
  bool has_more() const { return walk_ || !waiting_.empty() || !errands_.empty(); }
  /// Nothing for now; there may be more all the same.
  std::optional<RendezvousRecord> poll_record(mrt::Instant now, RendezvousTable& table);
  std::optional<Errand> poll_introduction();

 private:
  struct Key {
    LookUpId id;
    NodeTag node;
    bool is_v4;
  };

  void wait(const LookUpId& id, RendezvousTable::Entry& entry);

  InstanceId own_;
  bool on_ = false;
  std::deque<Key> waiting_;
  std::optional<LookUpId> walk_;  // where to go on
  std::deque<Errand> errands_;
};

}  // namespace stun
