// SPDX-License-Identifier: MIT
//
// Finding a star on this host and its LAN without any server, as a Machine: it asks on each link
// who is of a network, and answers for the one that its own node is in (WIRE.md 10). It knows no
// sockets and no clock, and nothing of passwords; who is let in is the handshake's business.
//
// 1. Nobody speaks unasked.
// 2. Only neighbours are heard: on a link those whose address is on it, over loopback those on
//    loopback. What an answer says of an address is a port; the rest is where it came from.
// 3. An answer counts with the nonce of the question that is under way; of one address two at
//    most (of this host more), in all candidates_max.
// 4. An answer is as long as its question and goes where that came from; one place gets so many a
//    second, all together so many.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "mrt/base/machine.h"
#include "mrt/base/random.h"
#include "stun/beacon_wire.h"
#include "stun/place.h"

namespace stun {

/// Where this host has neighbours: the other addresses of a network, or itself over loopback.
struct BeaconLink {
  mrt::Address own;          // of the socket that asks there, with its port
  unsigned prefix_bits = 0;  // so many bits of `own` are the network's (of an IPv4 address too)
};
bool is_on_link(const BeaconLink& link, const mrt::Address& address);

/// Whose members are led to this node.
struct Answering {
  std::string network;
  std::vector<mrt::Address> sockets;  // the node's, as they are bound
  size_t rank = 0;                    // in the succession; 0: the supernode
};

/// The answer to ask(): where members of the network are, those on this host first; perhaps none.
struct Neighbours {
  std::vector<mrt::Address> addresses;
};

struct BeaconStats {
  uint64_t answered = 0;
  uint64_t withheld = 0;   // beyond what is answered in a second
  uint64_t strangers = 0;  // from no neighbour
  uint64_t unasked = 0;    // answers to no question of ours, or to one that forged its mark
  uint64_t malformed = 0;
};

class Beacon {
 public:
  // Several stars may have one name, and hostile ones answer too: each costs a handshake to try.
  static constexpr size_t candidates_max = 16;
  static constexpr int64_t candidates_of_one = 2;
  static constexpr int64_t candidates_of_own_host = 8;
  // A host has a card or two, and bridges and tunnels for virtual ones.
  static constexpr size_t links_max = 16;
  // Questions to all links, and the answers of a second.
  static constexpr size_t outbox_max = 256;
  static constexpr size_t events_max = 4;

  /// REQUIRES: at most links_max links.
  Beacon(std::vector<BeaconLink> links, const mrt::Random::Seed& seed);

  // Commands.
  /// From now on; nothing: none is answered any more.
  void answer_for(std::optional<Answering> answering);
  /// Neighbours follows, within ask_time. What was asked before is forgotten.
  void ask(mrt::Instant now, std::string network);

  // The five verbs.
  void on_datagrams(mrt::Instant now, const mrt::Path& path, mrt::Ecn ecn, size_t segment_size,
                    mrt::MutableBytes bytes);
  void on_timeout(mrt::Instant now);
  std::optional<mrt::Transmit> poll_transmit(mrt::Instant now, mrt::MutableBytes buffer);
  std::optional<Neighbours> poll_event();
  mrt::Instant next_timeout() const;
  bool is_consistent() const;

  // Getters.
  const BeaconStats& stats() const { return stats_; }

 private:
  struct Question {
    std::string network;
    BeaconMessage message;
    mrt::Instant next;  // to be said once more
    int said = 0;
    mrt::Instant ends;
    std::vector<mrt::Address> found;
  };
  struct Saying {
    mrt::Path path;
    mrt::Bytes bytes;
  };

  void on_datagram(mrt::Instant now, const mrt::Address& from, mrt::ByteView datagram);
  void on_ask(mrt::Instant now, const BeaconLink& link, const mrt::Address& from,
              const BeaconMessage& asked);
  void on_answer(mrt::Instant now, const mrt::Address& from, const BeaconMessage& answer);
  void say_question(mrt::Instant now);
  void end_question();
  std::optional<uint16_t> port_at(const BeaconLink& link) const;

  std::vector<BeaconLink> links_;
  mrt::Random random_;
  std::optional<Answering> answering_;
  std::optional<Question> question_;
  std::multimap<mrt::Instant, Saying> due_;  // answers of members, who let the supernode go first
  std::deque<Saying> outbox_;
  std::deque<Neighbours> events_;
  PlaceAllowances places_;
  mrt::Allowance all_;
  BeaconStats stats_;
};

static_assert(mrt::Machine<Beacon>);

/// A radio network may keep a multicast for a tenth of a second (its sleepers wake for it), and
/// each of three may be lost.
inline constexpr mrt::Duration ask_interval = std::chrono::milliseconds(80);
inline constexpr int asks_max = 3;
inline constexpr mrt::Duration ask_time = std::chrono::milliseconds(250);
/// With the first answer others are on their way: of another star of that name, perhaps, or of the
/// first members where the supernode is elsewhere.
inline constexpr mrt::Duration gather_time = std::chrono::milliseconds(25);
/// The supernode answers at once, members after it and one after the other: who has what was asked
/// for asks no more, and a full lecture hall does not answer in one breath.
inline constexpr mrt::Duration member_delay = std::chrono::milliseconds(8);
inline constexpr mrt::Duration member_delay_per_rank = std::chrono::milliseconds(2);
inline constexpr size_t ranks_told_apart = 56;
/// A lab of programs on one host starts at once; each is answered by each. An answer costs 10 us,
/// and who forges a neighbour's address moves 36 bytes for 36 bytes.
inline constexpr int64_t beacon_answers_per_place = 50;
inline constexpr int64_t beacon_answers_per_place_burst = 100;
inline constexpr int64_t beacon_answers_per_second = 200;
inline constexpr int64_t beacon_answers_burst = 400;
/// What a LAN has; 100 KB.
inline constexpr size_t beacon_places_max = 1'024;

}  // namespace stun
