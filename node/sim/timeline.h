// SPDX-License-Identifier: MIT
//
// One run of a star, kept so that it can be drawn: of each seat when a program lived, was frozen
// or cut off, which view it was in, what it said and heard; of each view who followed, and why.
// It is told the script's deeds and the nodes' events as they come. It judges nothing (checker.h
// does), and knows no pixels: timeline_picture.h draws it.
//
// 1. What is still going on when a run ends has no end of its own: Span::to is mrt::never.
// 2. Messages are numbered in the order of their being said, as the checker numbers them; lives
//    in the order of their starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "mrt/base/time.h"
#include "node/events.h"
#include "node/sim/deed.h"

namespace node::sim {

struct TimelineSeat {
  NodeId id;
  std::string nick;
};

class Timeline {
 public:
  struct Span {
    mrt::Instant from;
    mrt::Instant to = mrt::never;
  };
  /// One node in one view.
  struct Stay {
    Span span;
    size_t view;
    Role role;
  };
  struct View {
    uint64_t epoch = 0;
    size_t supernode = 0;  // a seat
    mrt::Instant since;
    // Of those who came into it by a change of supernode.
    std::string reason{};
    size_t followers = 0;
    mrt::Duration slowest{};
  };
  struct Row {
    std::string nick;
    std::vector<Span> lives;
    std::vector<mrt::Instant> killed;
    std::vector<Span> frozen;
    std::vector<Span> cut_off;   // on the named side of a partition
    std::vector<Span> unheard;   // by one other: a cut in one direction
    std::vector<Span> unserved;  // from noticing that the supernode is gone to working again
    std::vector<Stay> stays;
    std::vector<mrt::Instant> said;
    std::vector<mrt::Instant> heard;
  };
  struct Heard {
    size_t seat;
    mrt::Instant at;
  };
  struct Message {
    size_t sender;
    mrt::Instant at;
    std::vector<Heard> heard;
  };
  /// What befell the whole network.
  struct Weather {
    mrt::Instant at;
    std::string what;
  };

  explicit Timeline(const std::vector<TimelineSeat>& seats);

  void on_deed(mrt::Instant now, const Deed& deed);
  void on_event(mrt::Instant now, size_t seat, const Event& event);

  const std::vector<Row>& rows() const { return rows_; }
  const std::vector<View>& views() const { return views_; }
  const std::vector<Message>& messages() const { return messages_; }
  const std::vector<Weather>& weather() const { return weather_; }
  /// Where each life sat.
  const std::vector<size_t>& seat_of_life() const { return seat_of_life_; }

 private:
  void on_role(mrt::Instant now, size_t seat, const RoleChanged& role);
  void on_migrated(mrt::Instant now, size_t seat, const Migrated& migrated);
  void on_end(mrt::Instant now, size_t seat);
  size_t view_of(mrt::Instant now, uint64_t epoch, size_t supernode);

  std::vector<Row> rows_;
  std::map<NodeId, size_t> seat_of_;
  std::vector<size_t> seat_of_life_;
  std::vector<View> views_;
  // By epoch, the supernode's seat and how many lives it had.
  std::map<std::tuple<uint64_t, size_t, size_t>, size_t> view_index_;
  std::vector<Message> messages_;
  std::map<std::string, size_t> message_index_;  // by their text, of which no two are alike
  std::vector<Weather> weather_;
};

}  // namespace node::sim
