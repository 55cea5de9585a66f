// SPDX-License-Identifier: MIT
//
// A star of Transfers over links of a given rate, each with a memory disk, in virtual time:
// what node.h does for them, without a node. Offers are known to all at once.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/sim/memory_disk.h"
#include "node/transfer.h"

namespace star {

using node::FileHash;
using node::NodeId;
using node::Offer;
using node::Outgoing;
using node::Transfer;
using node::sim::MemoryDisk;

inline NodeId node_id(size_t number) {
  NodeId id;
  id.bytes.fill(static_cast<uint8_t>(number + 1));
  return id;
}

struct Party {
  explicit Party(size_t number) : id(node_id(number)), transfer(std::make_unique<Transfer>(id)) {}

  NodeId id;
  std::unique_ptr<Transfer> transfer;
  MemoryDisk disk;
  bool alive = true;
  std::vector<node::TransferEvent> events;

  template <class T>
  std::vector<T> all() const {
    std::vector<T> out;
    for (const auto& event : events) {
      if (const auto* e = std::get_if<T>(&event)) out.push_back(*e);
    }
    return out;
  }
};

struct Link {
  double bytes_per_second = 100e6;
  mrt::Duration delay = std::chrono::milliseconds(1);
  size_t room_bytes = 1024 * 1024;  // what a connection takes before it says no
  size_t held_bytes = 0;
  bool refused = false;
  mrt::Instant free_at{};
};

class Star {
 public:
  explicit Star(size_t count) {
    for (size_t i = 0; i < count; ++i) parties.emplace_back(i);
    set_supernode(0);
  }

  Party& operator[](size_t i) { return parties[i]; }
  Link& link(size_t from, size_t to) { return links_[{from, to}]; }

  void set_supernode(std::optional<size_t> i) {
    supernode = i;
    for (Party& party : parties) {
      const auto id = i ? std::optional(parties[*i].id) : std::nullopt;
      if (party.alive) party.transfer->on_supernode(now, id);
    }
    settle();
  }

  /// A connection between two that are no supernodes, and its end.
  void connect(size_t i, size_t j) {
    parties[i].transfer->on_peer(parties[j].id);
    parties[j].transfer->on_peer(parties[i].id);
  }
  void disconnect(size_t i, size_t j) {
    std::erase_if(flying_, [&](const auto& f) {
      return std::minmax(f.second.from, f.second.to) == std::minmax(i, j);
    });
    links_[{i, j}].held_bytes = links_[{j, i}].held_bytes = 0;
    parties[i].transfer->on_peer_gone(now, parties[j].id);
    parties[j].transfer->on_peer_gone(now, parties[i].id);
    settle();
  }

  /// The process is gone; its files and parts stay.
  void kill(size_t i) {
    parties[i].alive = false;
    parties[i].disk.crash();
    offers_.erase(i);
    std::erase_if(flying_, [&](const auto& f) { return f.second.from == i || f.second.to == i; });
    for (auto& [ends, link] : links_) {
      if (ends.first == i || ends.second == i) link.held_bytes = 0;
    }
    for (Party& party : parties) {
      if (!party.alive) continue;
      party.transfer->on_peer_gone(now, parties[i].id);
      for (const FileHash& hash : hashes_) party.transfer->on_holder_gone(now, hash, parties[i].id);
    }
    settle();
  }

  /// Another process at the same place, with the same disk.
  void restart(size_t i) {
    parties[i].alive = true;
    parties[i].transfer = std::make_unique<Transfer>(parties[i].id);
    parties[i].events.clear();
    if (supernode) parties[i].transfer->on_supernode(now, parties[*supernode].id);
    settle();
  }

  Offer share(size_t i, const std::string& name, mrt::Bytes content) {
    const std::string path = "/home/" + name;
    parties[i].disk.put(path, std::move(content));
    parties[i].transfer->share(now, path);
    const size_t before = parties[i].all<node::Shared>().size();
    run_until([&] { return parties[i].all<node::Shared>().size() > before; });
    return parties[i].all<node::Shared>().back().offer;
  }

  node::FileToken download(size_t i, const Offer& offer) {
    std::vector<NodeId> holders;
    for (const auto& [party, offered] : offers_) {
      if (std::any_of(offered.begin(), offered.end(),
                      [&](const Offer& o) { return o.hash == offer.hash; })) {
        holders.push_back(parties[party].id);
      }
    }
    const auto token = parties[i].transfer->download(now, offer, holders);
    settle();
    return token;
  }

  /// Runs until the condition holds; false after `limit` of virtual time.
  bool run_until(const std::function<bool()>& condition,
                 mrt::Duration limit = std::chrono::seconds(60)) {
    const mrt::Instant end = now + limit;
    settle();
    while (!condition()) {
      const mrt::Instant next = next_event();
      if (next > end) {
        now = end;
        return false;
      }
      now = std::max(now, next);
      step();
    }
    return true;
  }
  void run_for(mrt::Duration time) {
    run_until([] { return false; }, time);
  }
  bool run_until_received(size_t i, size_t count = 1) {
    return run_until([&] { return parties[i].all<node::Downloaded>().size() >= count; });
  }

  /// What lies there under that name.
  const mrt::Bytes& received(size_t i, const std::string& name) const {
    const mrt::Bytes* content = parties[i].disk.content("/downloads/" + name);
    REQUIRE(content);
    return *content;
  }

  mrt::Instant now{std::chrono::seconds(1)};
  std::vector<Party> parties;
  std::optional<size_t> supernode;
  uint64_t bytes_sent = 0;  // on all links
  std::map<std::pair<size_t, size_t>, uint64_t> chunks_sent;
  /// Looks at, changes or drops (false) each message.
  std::function<bool(size_t from, size_t to, mrt::Bytes&)> tamper;

 private:
  struct Flying {
    size_t from;
    size_t to;
    size_t size;
    mrt::Bytes bytes;
  };

  size_t number_of(const NodeId& id) const { return id.bytes[0] - size_t{1}; }

  mrt::Instant next_event() const {
    mrt::Instant next = flying_.empty() ? mrt::never : flying_.begin()->first;
    for (const Party& party : parties) {
      if (!party.alive) continue;
      next = std::min({next, party.disk.next_timeout(), party.transfer->next_timeout()});
    }
    return next;
  }

  void step() {
    while (!flying_.empty() && flying_.begin()->first <= now) {
      Flying f = std::move(flying_.begin()->second);
      flying_.erase(flying_.begin());
      Link& way = links_[{f.from, f.to}];
      way.held_bytes -= std::min(way.held_bytes, f.size);
      if (way.refused) {
        way.refused = false;
        parties[f.from].transfer->on_writable(now, parties[f.to].id);
      }
      if (!tamper || tamper(f.from, f.to, f.bytes)) {
        parties[f.to].transfer->on_message(now, parties[f.from].id, std::move(f.bytes));
      }
      settle();
    }
    for (Party& party : parties) {
      if (!party.alive) continue;
      if (party.transfer->next_timeout() <= now) {
        party.transfer->on_timeout(now);
        settle();
        REQUIRE(party.transfer->next_timeout() > now);
      }
      while (const auto result = party.disk.poll_result(now)) {
        party.transfer->on_result(now, *result);
        settle();
      }
    }
  }

  void settle() {
    for (size_t i = 0; i < parties.size(); ++i) {
      Party& party = parties[i];
      if (!party.alive) continue;
      while (auto message = party.transfer->poll_message(now)) send(i, std::move(*message));
      while (const auto request = party.transfer->poll_request()) {
        party.disk.on_request(now, *request);
      }
      while (const auto event = party.transfer->poll_event()) {
        party.events.push_back(*event);
        announce(i, *event);
      }
      REQUIRE(party.transfer->is_consistent());
    }
  }

  void send(size_t from, Outgoing message) {
    const size_t to = number_of(message.to);
    REQUIRE(from != to);
    if (!parties[to].alive) return parties[from].transfer->on_peer_gone(now, message.to);
    Link& way = links_[{from, to}];
    const size_t size = message.message->size();
    if (way.held_bytes + size > way.room_bytes) {
      way.refused = true;
      return parties[from].transfer->on_unsent(std::move(message));
    }
    way.held_bytes += size;
    bytes_sent += size;
    if (message.priority == mrt::Priority::bulk) ++chunks_sent[{from, to}];
    const auto seconds = static_cast<double>(size) / way.bytes_per_second;
    way.free_at = std::max(way.free_at, now) + mrt::Duration(static_cast<int64_t>(seconds * 1e9));
    flying_.emplace(way.free_at + way.delay, Flying{from, to, size, *message.message});
  }

  /// What ordered broadcasts and the catalogue do for all.
  void announce(size_t i, const node::TransferEvent& event) {
    if (const auto* shared = std::get_if<node::Shared>(&event)) {
      offers_[i].push_back(shared->offer);
      hashes_.push_back(shared->offer.hash);
      for (Party& party : parties) {
        if (party.alive) party.transfer->on_holder(now, shared->offer.hash, parties[i].id);
      }
    } else if (const auto* lost = std::get_if<node::SourceLost>(&event)) {
      std::erase(offers_[i], lost->offer);
      for (Party& party : parties) {
        if (party.alive) party.transfer->on_holder_gone(now, lost->offer.hash, parties[i].id);
      }
    }
  }

  std::map<std::pair<size_t, size_t>, Link> links_;
  std::multimap<mrt::Instant, Flying> flying_;
  std::map<size_t, std::vector<Offer>> offers_;
  std::vector<FileHash> hashes_;
};

}  // namespace star
