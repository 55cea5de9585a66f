// SPDX-License-Identifier: MIT
#include "node/tells.h"

#include <algorithm>

namespace node {

std::optional<uint64_t> Tells::begin(CommandId command, const NodeId& to) {
  if (under_way_.size() >= tells_max) return std::nullopt;
  under_way_[++number_] = {command, to};
  return number_;
}

std::optional<CommandId> Tells::end(uint64_t number, const NodeId& by) {
  const auto it = under_way_.find(number);
  if (it == under_way_.end() || it->second.to != by) return std::nullopt;
  const CommandId command = it->second.command;
  under_way_.erase(it);
  return command;
}

std::vector<CommandId> Tells::give_up() {
  std::vector<CommandId> out;
  for (const auto& [number, one] : under_way_) out.push_back(one.command);
  under_way_.clear();
  return out;
}

bool Tells::is_new(const NodeId& from, Incarnation life, uint64_t number) const {
  const auto it = heard_.find({from, life});
  return it == heard_.end() || it->second.number < number;
}

void Tells::note_heard(const NodeId& from, Incarnation life, uint64_t number) {
  heard_[{from, life}] = {number, ++turns_};
  if (heard_.size() <= tell_lives_max) return;
  heard_.erase(std::min_element(heard_.begin(), heard_.end(), [](const auto& a, const auto& b) {
    return a.second.turn < b.second.turn;
  }));
}

}  // namespace node
