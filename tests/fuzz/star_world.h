// SPDX-License-Identifier: MIT
//
// Three honest nodes and one that breaks the rules, on a network in memory, and a script that
// says what all of them do. The fourth is a bare endpoint: it gets in like any member (it knows
// the secret), and then says whatever the script wants, to whomever, in any role.
//
// 1. Every honest node is consistent after each step, and quiet once nothing is due.
// 2. What an honest node is told privately in another honest one's name was said by that one,
//    once, whoever relayed it; what was said to all, unless the liar ever was the supernode.
//    Not in suite plain, where nobody can prove who speaks.
// 3. A file that is received is what its hash says.
// 4. quit() ends in time, whatever the others do.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "fuzz/message_draw.h"
#include "mrt/endpoint.h"
#include "node/node.h"
#include "node/sim/memory_disk.h"

namespace fuzz {

inline constexpr size_t honest_count = 3;
inline constexpr size_t liar = honest_count;  // its place among the hosts

class StarWorld {
 public:
  explicit StarWorld(bool sealed);

  /// One operation; takes at least one byte of the script.
  void step(mrt::Reader& script);
  /// All leave.
  void end();

 private:
  struct Honest {
    std::unique_ptr<node::Node> node;
    node::sim::MemoryDisk disk;
    std::optional<mrt::Instant> quit_at;
    bool stopped = false;
    std::set<std::string> said, told;                      // everything, by all of its lives
    std::set<std::pair<std::string, size_t>> tells_heard;  // in this life
  };
  struct InFlight {
    mrt::Instant at;
    size_t to;
    mrt::Path path;
    mrt::Bytes bytes;
  };
  struct LiarLink {
    node::MessageReader reader;
    bool opened = false;  // the stream, where it is this side's to open
  };

  // star_world.cpp: what honest nodes are made to do
  void start(size_t seat, bool as_host);
  void command(size_t seat, mrt::Reader& script);
  void speak(size_t seat, mrt::Reader& script);
  void share(size_t seat, mrt::Reader& script);
  void wait(mrt::Duration time);
  void pump();
  bool turn(size_t seat);
  void on_event(size_t seat, const node::Event& event);
  void transmit(size_t from, const mrt::Transmit& batch, mrt::ByteView bytes);
  void arrive(InFlight datagram);
  mrt::Instant next_due() const;
  bool may_be_claimed() const { return !sealed_ || liar_led_; }
  std::optional<size_t> seat_of(const node::NodeId& id) const;
  mrt::EndpointConfig endpoint_config(size_t host) const;

  // liar.cpp: what the fourth does
  void lie(mrt::Reader& script);
  void call(size_t seat, mrt::Reader& script);
  void lead(mrt::ConnectionId id, mrt::Reader& script);
  void repeat(mrt::ConnectionId id, mrt::Reader& script);
  void lie_about_files(mrt::ConnectionId id, mrt::Reader& script);
  bool liar_turn();
  void hear(mrt::ConnectionId id);
  void say(mrt::ConnectionId id, mrt::ByteView message);
  node::Hello own_hello(node::Purpose purpose) const;

  bool sealed_;
  mrt::Instant now_{std::chrono::seconds(100)};
  mrt::Random random_{mrt::seed_from(7)};
  std::array<Honest, honest_count> honest_;
  std::array<mrt::PublicKey, honest_count + 1> keys_;
  std::deque<InFlight> wire_;
  std::set<std::pair<size_t, size_t>> cuts_;  // (from, to)
  uint64_t commands_ = 0;
  uint64_t texts_ = 0;
  bool liar_led_ = false;
  mrt::Bytes buffer_ = mrt::Bytes(mrt::batch_bytes_max);

  std::unique_ptr<mrt::Endpoint> liar_;
  std::map<mrt::ConnectionId, LiarLink> liar_links_;
  std::deque<mrt::Bytes> liar_heard_;
  Gossip gossip_;
};

}  // namespace fuzz
