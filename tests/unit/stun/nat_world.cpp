// SPDX-License-Identifier: MIT
#include "unit/stun/nat_world.h"

#include <doctest/doctest.h>

#include <algorithm>

namespace stun::test {

using mrt::Address;
using mrt::Path;

Address NatBox::go_out(mrt::Instant now, const Address& from, const Address& to) {
  const auto fresh = [&] {
    const auto port = static_cast<uint16_t>(50'000 + inside.size());
    const Address out = translates ? Address::v4(192, 0, 2, 1, port) : from;
    inside[out] = from;
    return out;
  };
  const Ends key{from, part(mapping, to)};
  if (!outside.contains(key) || !lives(now, outside[key])) outside[key] = fresh();
  Address out = outside[key];
  if (translates && refused.contains({out, to})) out = fresh();
  open.insert({out, part(filtering, to)});
  used[out] = now;
  return out;
}

std::optional<Address> NatBox::come_in(mrt::Instant now, const Address& from, const Address& to) {
  if (open.contains({to, part(filtering, from)}) && lives(now, to)) {
    used[to] = now;
    return inside.at(to);
  }
  if (remembers_refused) refused.insert({to, from});
  return std::nullopt;
}

void World::send(const Path& path, mrt::ByteView bytes) {
  asked.push_back(path.remote);
  const Address outer = nat.go_out(now, path.local, path.remote);
  if (random.chance(loss) || path.local == dead) return;
  if (nat.hairpins && nat.inside.contains(path.remote)) {
    in_flight_.emplace(now + one_way, Flight{{nat.inside.at(path.remote), outer},
                                             mrt::Bytes(bytes.begin(), bytes.end())});
  }
  for (auto& [sockets, responder] : hosts) {
    if (std::find(sockets.begin(), sockets.end(), path.remote) == sockets.end()) continue;
    const auto answer = responder.answer(now, {path.remote, outer}, bytes);
    if (!answer || random.chance(loss)) return;
    if (const auto to = nat.come_in(now, answer->path.local, answer->path.remote))
      in_flight_.emplace(now + 2 * one_way, Flight{{*to, answer->path.local}, answer->bytes});
  }
}

Behaviour conclusion(const std::vector<ProbeEvent>& events) {
  REQUIRE(!events.empty());
  const auto concluded = std::count_if(events.begin(), events.end(), [](const ProbeEvent& event) {
    return std::holds_alternative<Concluded>(event);
  });
  CHECK(concluded == 1);
  REQUIRE(std::holds_alternative<Concluded>(events.back()));
  return std::get<Concluded>(events.back()).behaviour;
}

}  // namespace stun::test
