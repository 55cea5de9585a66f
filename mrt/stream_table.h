// SPDX-License-Identifier: MIT
//
// The sending sides of a connection's streams, found by id: ordered ones, which are few and live
// long, in a tree; messages, which are many and short-lived, in a ring by their number. It knows
// nothing of what a stream holds.
//
// 1. A message costs no allocation: its place in the ring is used again.
// 2. The ring reaches from the oldest message that is there to the newest; who adds bounds that.
#pragma once

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "mrt/ring.h"
#include "mrt/wire.h"

namespace mrt {

/// Streams of which something is to be said; usually none.
class StreamIds {
 public:
  bool empty() const { return ids_.empty(); }
  void insert(StreamId id) {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at == ids_.end() || *at != id) ids_.insert(at, id);
  }
  void erase(StreamId id) {
    const auto at = std::lower_bound(ids_.begin(), ids_.end(), id);
    if (at != ids_.end() && *at == id) ids_.erase(at);
  }
  /// The lowest. REQUIRES: not empty.
  StreamId take() {
    const StreamId first = ids_.front();
    ids_.erase(ids_.begin());
    return first;
  }
  auto begin() const { return ids_.begin(); }
  auto end() const { return ids_.end(); }

 private:
  std::vector<StreamId> ids_;  // sorted
};

/// Stream() is a place that is free.
template <class Stream>
class StreamTable {
 public:
  Stream* find(StreamId id) { return find_in(*this, id); }
  const Stream* find(StreamId id) const { return find_in(*this, id); }
  bool contains(StreamId id) const { return find(id) != nullptr; }

  /// An ordered stream. Does nothing where it is there.
  void add(StreamId id, Stream stream) { ordered_.try_emplace(id, std::move(stream)); }
  /// The index of the next message.
  uint64_t next_message() const { return messages_.end_number(); }
  /// Its place is good until the next is added.
  Stream& add_message() {
    Place& place = messages_.add();
    place.used = true;
    return place.stream;
  }
  void erase(StreamId id) {
    if (!is_message(id)) {
      ordered_.erase(id);
    } else if (contains(id)) {
      const uint64_t index = stream_index(id);
      messages_[index].used = false;
      if (index > messages_.begin_number()) messages_[index].stream = {};
      while (!messages_.empty() && !messages_.front().used) messages_.pop();
    }
  }

  /// Places that messages take, with those between that are free again.
  size_t message_span() const { return messages_.size(); }
  void give_memory_back() { messages_.give_memory_back(); }

  /// Calls visit(stream, whether it is a message) for each.
  template <class Visit>
  void for_each(Visit visit) const {
    for (const auto& [id, stream] : ordered_) visit(stream, false);
    for (uint64_t i = messages_.begin_number(); i < messages_.end_number(); ++i)
      if (messages_[i].used) visit(messages_[i].stream, true);
  }

 private:
  struct Place {
    Stream stream;
    bool used = false;
  };

  template <class Self>
  static auto* find_in(Self& self, StreamId id) {
    using Found = decltype(&self.messages_.front().stream);
    if (is_message(id)) {
      const uint64_t index = stream_index(id);
      const bool there = self.messages_.holds(index) && self.messages_[index].used;
      return there ? &self.messages_[index].stream : Found(nullptr);
    }
    const auto it = self.ordered_.find(id);
    return it == self.ordered_.end() ? Found(nullptr) : &it->second;
  }

  std::map<StreamId, Stream> ordered_;
  Ring<Place> messages_;
};

}  // namespace mrt
