// SPDX-License-Identifier: MIT
//
// Who says something in the tests of the order: a few identities that are known by a number, the
// same in each run, and what they have said and signed.
#pragma once

#include <map>
#include <vector>

#include "mrt/identity.h"
#include "node/broadcast_proof.h"
#include "node/order.h"

namespace node::test {

inline const mrt::Identity& identity(uint8_t number) {
  static std::map<uint8_t, mrt::Identity> all;
  mrt::Random::Seed seed{};
  seed[0] = number;
  return all.try_emplace(number, seed).first->second;
}

inline NodeId node_id(uint8_t number) { return node_id_of(identity(number).public_key()); }

inline RosterEntry entry_of(uint8_t number) {
  return {node_id(number), {1}, "n", {}, 0, 0, identity(number).public_key()};
}

inline Ordered ordered(uint64_t epoch, uint64_t seq, uint8_t sender, uint64_t number) {
  const Publish said{{1}, number, BroadcastKind::chat, mrt::Bytes{'x'}};
  return {{{epoch}, {seq}},
          {node_id(sender), {1}, number},
          "n",
          said.kind,
          said.body,
          identity(sender).public_key(),
          sign_broadcast({identity(sender), "lab"}, said)};
}

inline std::vector<uint64_t> carried_numbers(const Order& order) {
  std::vector<uint64_t> numbers;
  for (const auto& [key, message] : order.carried()) numbers.push_back(message.id.number);
  return numbers;
}

}  // namespace node::test
