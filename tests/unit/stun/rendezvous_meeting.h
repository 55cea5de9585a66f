// SPDX-License-Identifier: MIT
//
// Rendezvous servers and clients on a network of 25 ms one way, in virtual time: for tests.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>

#include "stun/rendezvous_client.h"
#include "stun/rendezvous_server.h"

namespace stun::test {

using namespace std::chrono_literals;
using mrt::Address;
using mrt::Bytes;
using mrt::Instant;
using mrt::Path;

inline const Instant start{100s};

inline Address server_address(uint8_t i) { return Address::v4(198, 51, 100, i, 7700); }
inline Address member_address(uint8_t i) { return Address::v4(203, 0, 113, i, 7777); }

struct Meeting {
  struct Member {
    Address address;
    RendezvousClient client;
    std::vector<std::pair<Instant, RendezvousEvent>> events{};
    size_t sent = 0;
  };
  struct Flying {
    Address from, to;
    Bytes bytes;
  };

  RendezvousKey key{open_rendezvous_seed("lab")};
  std::map<Address, RendezvousServer> servers;
  std::vector<Member> members;
  std::multimap<Instant, Flying> flying;
  Instant now = start;
  std::function<bool(const Flying&)> lost = [](const Flying&) { return false; };
  std::vector<std::pair<Instant, Flying>> log;

  explicit Meeting(uint8_t server_count = 1) {
    for (uint8_t i = 1; i <= server_count; ++i) {
      servers.emplace(server_address(i), RendezvousServer(mrt::seed_from(i)));
    }
  }

  Member& add(uint8_t i, size_t servers_asked = SIZE_MAX) {
    RendezvousClientConfig config;
    for (const auto& [address, server] : servers) config.servers.push_back(address);
    config.servers.resize(std::min(config.servers.size(), servers_asked));
    config.node = {i};
    members.reserve(8);
    Member& member = members.emplace_back(
        Member{member_address(i), RendezvousClient(config, mrt::seed_from(100u + i))});
    member.client.set_key(now, key);
    return member;
  }

  template <class M>
  void send_all(M& machine, const Address& from) {
    Bytes buffer(mrt::batch_bytes_max);
    while (const auto batch = machine.poll_transmit(now, buffer)) {
      Flying one{from, batch->path.remote,
                 Bytes(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(batch->size))};
      log.emplace_back(now, one);
      if (!lost(one)) flying.emplace(now + 25ms, std::move(one));
    }
  }

  void settle() {
    for (auto& [address, server] : servers) {
      if (server.next_timeout() <= now) server.on_timeout(now);
      send_all(server, address);
    }
    for (Member& member : members) {
      if (member.client.next_timeout() <= now) {
        member.client.on_timeout(now);
        REQUIRE(member.client.next_timeout() > now);
      }
      const size_t before = log.size();
      send_all(member.client, member.address);
      member.sent += log.size() - before;
      while (auto event = member.client.poll_event()) {
        member.events.emplace_back(now, std::move(*event));
      }
    }
  }

  void deliver(Flying one) {
    const Path path{one.to, one.from};
    const auto give = [&](auto& machine) {
      machine.on_datagrams(now, path, mrt::Ecn::not_ect, one.bytes.size(), one.bytes);
    };
    if (const auto server = servers.find(one.to); server != servers.end()) give(server->second);
    for (Member& member : members) {
      if (member.address == one.to) give(member.client);
    }
  }

  void run(mrt::Duration duration) {
    const Instant end = now + duration;
    settle();
    while (true) {
      Instant next = flying.empty() ? mrt::never : flying.begin()->first;
      for (const auto& [address, server] : servers) next = std::min(next, server.next_timeout());
      for (const Member& member : members) next = std::min(next, member.client.next_timeout());
      if (next > end) break;
      now = std::max(now, next);
      while (!flying.empty() && flying.begin()->first <= now) {
        Flying one = std::move(flying.begin()->second);
        flying.erase(flying.begin());
        deliver(std::move(one));
      }
      settle();
    }
    now = end;
  }
};

template <class T>
std::vector<std::pair<Instant, T>> all(const Meeting::Member& member) {
  std::vector<std::pair<Instant, T>> out;
  for (const auto& [when, event] : member.events) {
    if (const auto* one = std::get_if<T>(&event)) out.emplace_back(when, *one);
  }
  return out;
}

inline bool says(const Meeting::Flying& one, uint8_t type) { return one.bytes[0] == type; }

}  // namespace stun::test
