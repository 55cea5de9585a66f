// SPDX-License-Identifier: MIT
//
// Connections of members among themselves: which calls are under way or due, and how many there may
// be. Values only; node_introduce.cpp makes the calls.
//
// 1. A nearer address gets a head start: of two connections to one node the worse one is then not
//    made in most cases, and nothing has to be agreed upon.
// 2. What a supernode wants this node to call is bounded, in waiting and in a time.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "mrt/base/address.h"
#include "mrt/base/allowance.h"
#include "mrt/base/ids.h"
#include "mrt/base/time.h"
#include "node/ids.h"

namespace node {

/// Warm successors: two at once may die (supernode and first successor).
inline constexpr size_t warm_successors = 2;
inline constexpr mrt::Duration warm_retry = std::chrono::seconds(1);
/// After so many calls in vain the supernode is told. One is under way for a second, and a burst of
/// losses takes no more than two.
inline constexpr int warm_tries_max = 3;
/// Where only a search for a port helps (OVERLAY.md 4.10) these calls are one round: as many
/// seconds as a search may take, since the other side may be busy with somebody else's.
inline constexpr int search_round_calls = 15;
/// After a round in vain comes a pause, the next one twice as long: of these NATs few become
/// others, and then the addresses do. Drawn from this to twice as much, so an hour at most, lest
/// those who search with one and the same host do so at the same time again.
inline constexpr mrt::Duration search_rounds_pause = std::chrono::minutes(1);
inline constexpr mrt::Duration search_rounds_pause_max = std::chrono::minutes(30);
/// So long whom others could not reach comes last, and is not tried: a NAT or a firewall stays.
inline constexpr mrt::Duration unreachable_for = std::chrono::minutes(5);
/// Who is behind no NAT answers within this, or a firewall keeps callers out: a round trip on
/// nearly every path.
inline constexpr mrt::Duration introduce_after = std::chrono::milliseconds(300);
/// RFC 8305 gives an address 250 ms before the next one is tried; what is near answers sooner.
inline constexpr mrt::Duration head_start = std::chrono::milliseconds(100);
/// One end of a connection has another address: what is not heard over it by then is called anew.
/// Several probes on nearly every path; a second later it may be needed.
inline constexpr mrt::Duration recheck_time = std::chrono::seconds(1);
/// Calls that wait for a nearer one: as many connections as may be half open. Others are made when
/// the supernode is asked again.
inline constexpr size_t later_calls_max = 512;

/// Whom somebody sees at a private address, who is seen here at another one, is behind the same NAT
/// as that one. Most NATs keep ports, so its outer address can be guessed: it comes last.
std::vector<mrt::Address> with_guesses(std::vector<mrt::Address> told, const mrt::Address& teller);

/// A first successor to whom there is no connection.
struct WarmTry {
  mrt::Instant next;                 // when it is called (again)
  mrt::Instant ask_at = mrt::never;  // when the supernode is asked to introduce the two
  int tries = 0;                     // since there was a connection
  int round_calls = 0;               // of a round
  mrt::Duration round_pause = search_rounds_pause;  // after that
  std::pair<mrt::Address, mrt::Address> ends{};     // where the two are seen
};

struct Introductions {
  struct LaterCall {
    mrt::Instant at;
    NodeId node;
    mrt::Address address;
  };

  std::map<NodeId, WarmTry> tries;
  std::deque<LaterCall> later;  // all have waited equally long: the first is due first
  std::map<mrt::ConnectionId, mrt::Instant> doubtful;  // since when a word is awaited
  // A first successor in a star of thousands is introduced to all of them at once; beyond what may
  // be half open it would call in vain. Then a hundred packets a second, wherever they may go.
  mrt::Allowance followed{100, 512};

  mrt::Instant next_timeout() const {
    mrt::Instant next = later.empty() ? mrt::never : later.front().at;
    for (const auto& [node, one] : tries) next = std::min({next, one.next, one.ask_at});
    for (const auto& [id, asked] : doubtful) next = std::min(next, asked + recheck_time);
    return next;
  }
};

}  // namespace node
