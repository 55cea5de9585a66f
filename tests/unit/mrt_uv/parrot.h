// SPDX-License-Identifier: MIT
//
// A small Machine for driver tests: says what it is told, hears, rings at instants, and
// talks back when asked to.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <vector>

#include "mrt/base/machine.h"

struct Parrot {
  struct Event {
    mrt::Path path;                  // where from; a default one for a ring
    mrt::Bytes bytes;                // what was heard
    mrt::Instant rang = mrt::never;  // or which instant was reached
  };
  struct Speech {
    mrt::Path path;
    mrt::Bytes bytes;
    size_t segment_size;
  };

  bool talks_back = false;
  bool chatters = false;  // always has one more batch for chatter_path
  mrt::Path chatter_path;
  mrt::Duration patience{};  // datagrams may lie that long
  std::deque<Speech> to_say;
  std::deque<Event> events;
  std::multiset<mrt::Instant> rings;

  void say(const mrt::Path& path, mrt::Bytes bytes, size_t segment_size) {
    to_say.push_back({path, std::move(bytes), segment_size});
  }

  void on_datagrams(mrt::Instant, const mrt::Path& path, mrt::Ecn, size_t segment_size,
                    mrt::MutableBytes bytes) {
    const mrt::Bytes copy(bytes.begin(), bytes.end());
    if (talks_back) say(path, copy, segment_size);
    events.push_back({path, copy});
  }
  void on_timeout(mrt::Instant now) {
    while (!rings.empty() && *rings.begin() <= now) {
      events.push_back({{}, {}, *rings.begin()});
      rings.erase(rings.begin());
    }
  }
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant, mrt::MutableBytes buffer) {
    if (chatters && to_say.empty()) say(chatter_path, mrt::Bytes(10), 10);
    if (to_say.empty()) return std::nullopt;
    const Speech next = std::move(to_say.front());
    to_say.pop_front();
    std::copy(next.bytes.begin(), next.bytes.end(), buffer.begin());
    return mrt::Transmit{next.path, next.bytes.size(), next.segment_size, mrt::Ecn::not_ect};
  }
  std::optional<Event> poll_event() {
    if (events.empty()) return std::nullopt;
    Event next = std::move(events.front());
    events.pop_front();
    return next;
  }
  mrt::Instant next_timeout() const { return rings.empty() ? mrt::never : *rings.begin(); }
  mrt::Duration take_patience() { return patience; }
  bool is_consistent() const { return true; }
};

static_assert(mrt::Machine<Parrot>);
