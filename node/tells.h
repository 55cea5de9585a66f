// SPDX-License-Identifier: MIT
//
// Private messages under way: the own ones that wait for their answer, and the numbers of others
// that were heard. It knows no keys and no connections.
//
// 1. An answer counts only from the node that the message was for.
// 2. Of each sender's life only rising numbers are heard: nothing is heard twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "node/ids.h"

namespace node {

/// `M`s that wait for their answer.
inline constexpr size_t tells_max = 1'000;
/// Lives of senders whose last number is known: every member of a full star, twice. The one that
/// was silent longest is forgotten first.
inline constexpr size_t tell_lives_max = 8'192;

class Tells {
 public:
  struct UnderWay {
    CommandId command;
    NodeId to;
  };

  // The sender's side.
  /// The number of the next; nothing at tells_max.
  std::optional<uint64_t> begin(CommandId command, const NodeId& to);
  /// Whose command the answer ends, where one waited for it.
  std::optional<CommandId> end(uint64_t number, const NodeId& by);
  /// All that wait: their supernode is gone, and with it what it had.
  std::vector<CommandId> give_up();

  // The receiver's side.
  /// False where that number, or a later one of that life, was heard.
  bool is_new(const NodeId& from, Incarnation life, uint64_t number) const;
  void note_heard(const NodeId& from, Incarnation life, uint64_t number);

 private:
  struct Heard {
    uint64_t number = 0;
    uint64_t turn = 0;
  };

  uint64_t number_ = 0;
  std::map<uint64_t, UnderWay> under_way_;
  uint64_t turns_ = 0;
  std::map<std::pair<NodeId, Incarnation>, Heard> heard_;
};

}  // namespace node
